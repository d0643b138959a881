"""Debian's nginx with our configuration and nothing behind it: what it decides by itself."""

import base64
import hashlib
import re
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator

import httpx
import pytest
from cryptography import x509

from dashboard.web import pages
from tests.conftest import needed
from tests.deploy.authority import Authority
from tests.deploy.compose_file import DOMAIN
from tests.deploy.composed import Composed, composed

RELOADED_WITHIN_S = 90
AUTHORITY = Authority()


@pytest.fixture(scope="module")
def server(processes: None) -> Iterator[Composed]:
    needed("nginx", "nginx-light")
    with composed() as server:
        AUTHORITY.certify(DOMAIN, server.certificates / DOMAIN)
        server.start("nginx")
        server.wait_until_healthy("nginx")
        yield server


def client(server: Composed, address: str = "127.0.0.1", host: str = DOMAIN) -> httpx.Client:
    """A browser at another address of this machine has limits of its own."""
    transport = httpx.HTTPTransport(verify=AUTHORITY.trust, local_address=address)
    url = f"https://127.0.0.1:{server.ports['https']}"
    return httpx.Client(transport=transport, base_url=url, headers={"Host": host}, timeout=60)


def ask(server: Composed, method: str, path: str, *, address: str = "127.0.0.1", content: bytes = b"") -> httpx.Response:
    with client(server, address) as asking:
        return asking.request(method, path, content=content, extensions={"sni_hostname": DOMAIN})


def presented(server: Composed) -> x509.Certificate:
    """The certificate that a browser is shown, whatever it is worth."""
    with handshake(server, _trusting_everybody()) as connection:
        shown = connection.getpeercert(binary_form=True)
    assert shown
    return x509.load_der_x509_certificate(shown)


def handshake(server: Composed, context: ssl.SSLContext, name: str = DOMAIN) -> ssl.SSLSocket:
    connection = socket.create_connection(("127.0.0.1", server.ports["https"]), timeout=60)
    try:
        return context.wrap_socket(connection, server_hostname=name)
    except BaseException:
        connection.close()
        raise


def _trusting_everybody() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def test_its_configuration_is_free_of_faults_and_warnings(server: Composed) -> None:
    script = server.directory / "nginx" / "entrypoint.sh"
    environment = server.environment("nginx") | {"RUN": str(server.directory / "checked")}
    checked = subprocess.run([script, "check"], env=environment, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    assert not re.search("warn|emerg|error", checked.stderr), checked.stderr


@pytest.mark.parametrize("domain", ["", "storm.example.com; evil", "Storm", "-x"])
def test_it_does_not_start_for_what_is_no_name(server: Composed, domain: str) -> None:
    environment = server.environment("nginx") | {"STORM_DOMAIN": domain, "RUN": str(server.directory / "refused")}
    started = subprocess.run([server.directory / "nginx" / "entrypoint.sh"], env=environment, capture_output=True, text=True)
    assert started.returncode == 2
    assert "STORM_DOMAIN" in started.stderr


@pytest.mark.usefixtures("processes")
def test_it_starts_with_a_certificate_of_its_own_and_takes_up_each_new_one_without_a_gap() -> None:
    needed("nginx", "nginx-light")
    with composed() as server:
        server.start("nginx")
        server.wait_until_healthy("nginx")
        own = presented(server)
        assert own.issuer == own.subject
        with pytest.raises(ssl.SSLCertVerificationError):
            handshake(server, AUTHORITY.trust)
        with handshake(server, _trusting_everybody()) as kept_open:
            for _ in range(2):
                number = AUTHORITY.certify(DOMAIN, server.certificates / DOMAIN)
                deadline_s = time.monotonic() + RELOADED_WITHIN_S
                while presented(server).serial_number != number:
                    assert time.monotonic() < deadline_s, server.log("nginx").read_text()
                    time.sleep(0.1)
            handshake(server, AUTHORITY.trust).close()
            kept_open.sendall(f"GET /healthz HTTP/1.1\r\nHost: {DOMAIN}\r\nConnection: close\r\n\r\n".encode())
            assert kept_open.recv(100).startswith(b"HTTP/1.1 ")


@pytest.mark.usefixtures("processes")
def test_a_certificate_whose_key_is_not_there_yet_is_left_alone() -> None:
    needed("nginx", "nginx-light")
    with composed() as server:
        place = server.certificates / DOMAIN
        Authority().certify(DOMAIN, place)
        fullchain = (place / "fullchain.pem").read_bytes()
        AUTHORITY.certify(DOMAIN, place)
        (place / "fullchain.pem").write_bytes(fullchain)
        server.start("nginx")
        server.wait_until_healthy("nginx")
        assert presented(server).issuer == presented(server).subject


def test_plain_http_leads_to_https(server: Composed) -> None:
    answer = httpx.get(f"http://127.0.0.1:{server.ports['http']}/rules?x=1", headers={"Host": DOMAIN})
    assert (answer.status_code, answer.headers["location"]) == (308, f"https://{DOMAIN}/rules?x=1")
    # Only a browser that came by https may be told so.
    assert "strict-transport-security" not in answer.headers


def test_it_answers_the_challenge_of_the_certificates_authority(server: Composed) -> None:
    place = server.directory / "acme" / ".well-known" / "acme-challenge"
    place.mkdir(parents=True)
    (place / "token").write_text("token.thumbprint")
    url = f"http://127.0.0.1:{server.ports['http']}/.well-known/acme-challenge/"
    answers = {name: httpx.get(url + name, headers={"Host": DOMAIN}) for name in ("token", "another")}
    assert answers["token"].text == "token.thumbprint"
    assert answers["another"].status_code == 404


def test_whoever_does_not_know_its_name_gets_nothing(server: Composed) -> None:
    with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
        handshake(server, _trusting_everybody(), "127.0.0.1.example")
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"http://127.0.0.1:{server.ports['http']}/", headers={"Host": "other.example"})
    with client(server, host="other.example") as asking, pytest.raises(httpx.RemoteProtocolError):
        asking.get("/", extensions={"sni_hostname": DOMAIN})


@pytest.mark.parametrize(
    ("version", "is_taken"),
    [(ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_3, True)],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1:DeprecationWarning")
def test_tls_before_1_2_is_refused(server: Composed, version: ssl.TLSVersion, is_taken: bool) -> None:
    context = AUTHORITY.trust
    # The client's own objections are not the matter here.
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    if is_taken:
        handshake(server, context).close()
    else:
        with pytest.raises(ssl.SSLError, match=r"(?i)protocol.version"):
            handshake(server, context)


def test_it_takes_no_cipher_without_forward_secrecy(server: Composed) -> None:
    context = AUTHORITY.trust
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-GCM-SHA256:AES256-SHA:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match=r"(?i)handshake.failure"):
        handshake(server, context)


def test_it_speaks_http_2(server: Composed) -> None:
    context = AUTHORITY.trust
    context.set_alpn_protocols(["h2", "http/1.1"])
    with handshake(server, context) as connection:
        assert connection.selected_alpn_protocol() == "h2"


def test_while_a_process_starts_anew_it_says_so_in_a_sentence_with_every_header(server: Composed) -> None:
    answer = ask(server, "GET", "/")
    assert (answer.status_code, answer.text) == (503, "StormAlert is just starting; try again in a moment.\n")
    assert answer.headers["server"] == "nginx"
    told = {name: answer.headers.get_list(name) for name in answer.headers}
    assert told["strict-transport-security"] == ["max-age=31536000"]
    assert told["x-content-type-options"] == ["nosniff"]
    assert told["x-frame-options"] == ["DENY"]
    assert told["referrer-policy"] == ["same-origin"]
    assert "camera=()" in told["permissions-policy"][0]
    (policy,) = told["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert not {"'unsafe-eval'", "*"} & set(policy.split())
    assert "'unsafe-inline'" not in re.search("script-src [^;]*", policy)[0]  # type: ignore[index]


def test_the_policy_names_the_two_scripts_of_streamlits_page(server: Composed) -> None:
    scripts = re.findall(r"<script>(.*?)</script>", pages._index(), re.DOTALL)
    digests = {f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts}
    policy = ask(server, "GET", "/").headers["content-security-policy"]
    assert digests == set(re.findall(r"'sha256-[^']*'", policy))
    assert len(digests) == 2


@pytest.mark.parametrize("path", ["/login", "/login/code", "/join/x", "/api/auth/login"])
def test_a_flood_of_sign_ins_is_held_off_and_looking_at_the_form_is_not(server: Composed, path: str) -> None:
    address = f"127.0.0.{10 + len(path)}"
    began_s = time.monotonic()
    # Over one connection, for there is room for one more every two seconds.
    with client(server, address) as asking:
        posted = [asking.post(path, extensions={"sni_hostname": DOMAIN}).status_code for _ in range(60)]
    assert posted[:20] == [503] * 20
    assert set(posted) == {503, 429}
    assert posted.count(503) <= 22 + (time.monotonic() - began_s) / 2
    assert ask(server, "GET", path, address=address).status_code == 503
    # Others are not concerned.
    assert ask(server, "POST", path, address="127.0.0.9").status_code == 503


def test_a_flood_of_other_requests_is_held_off_later(server: Composed) -> None:
    answers: list[int] = []
    with client(server, "127.0.0.40") as asking:
        # As long as it takes to be faster than twenty a second.
        while 429 not in answers and len(answers) < 3_000:
            answers.append(asking.get("/api/rules", extensions={"sni_hostname": DOMAIN}).status_code)
    assert answers[-1] == 429 and answers[:-1] == [503] * (len(answers) - 1) and len(answers) > 40


@pytest.mark.parametrize(
    ("path", "most_bytes"),
    [("/login", 65_536), ("/callbacks/whatsapp", 65_536), ("/telegram", 262_144), ("/api/rules/import", 8_388_608)],
)
def test_a_body_that_is_too_large_is_refused_and_one_that_fits_is_not(server: Composed, path: str, most_bytes: int) -> None:
    assert ask(server, "POST", path, address="127.0.0.50", content=b"x" * most_bytes).status_code == 503
    assert ask(server, "POST", path, address="127.0.0.50", content=b"x" * (most_bytes + 1)).status_code == 413


def test_its_log_has_no_secret_of_an_address(server: Composed) -> None:
    for path in ("/join/secret1", "/reset/secret2", "/unsubscribe/secret3", "/kite/callback?request_token=secret4"):
        ask(server, "GET", path)
    log = server.log("nginx").read_text()
    assert '"uri":"/join/..."' in log
    assert "secret" not in log
