import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from stormalert.access.security import Sealer
from stormalert.model import User
from stormalert.units import now_ms

from .conftest import MASTER_SECRET, Site, away, running

SETTING = "kite.request_token"
CALLBACK = "/kite/callback"
GOOD = {"request_token": "Tok-en_1", "status": "success", "action": "login"}


@pytest.fixture
def admin(site: Site) -> Iterator[httpx.Client]:
    site.store.save_setting(SETTING, "")
    with site.sign_in("asha") as client:
        yield client


def assert_refused(answer: httpx.Response, status: int, sentence: str) -> None:
    assert answer.status_code == status
    assert f"<p>{sentence}</p>" in answer.text
    assert "Traceback" not in answer.text


def test_an_admin_is_sent_to_kites_page_with_the_api_key(admin: httpx.Client) -> None:
    answer = admin.get("/kite/login")
    assert answer.status_code == 303
    target = urlsplit(answer.headers["location"])
    assert f"{target.scheme}://{target.netloc}{target.path}" == "http://127.0.0.1:9/connect/login"
    assert parse_qs(target.query) == {"v": ["3"], "api_key": ["apikey"]}
    cookie = next(row for row in answer.headers.get_list("set-cookie") if row.startswith("storm_kite="))
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Path=/kite/" in cookie and "Max-Age=600" in cookie


def test_kites_token_is_kept_sealed_for_ingest(site: Site, admin: httpx.Client) -> None:
    before_ms = now_ms()
    admin.get("/kite/login")
    answer = admin.get(CALLBACK, params=GOOD)
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin?part=Kite&kite=received")
    sealed = site.store.setting(SETTING)
    assert sealed and "Tok-en_1" not in sealed
    kept = json.loads(Sealer(MASTER_SECRET).unseal(sealed))
    assert kept["request_token"] == "Tok-en_1" and before_ms <= kept["time_ms"] <= now_ms()
    newest = site.store.audit(limit=1)[0]
    assert (newest.user, newest.action) == ("u-asha", "logged in to Kite")
    assert "Tok-en_1" not in site.log.read_text() and "Tok-en_1" not in str(newest)


def test_kites_token_is_taken_by_a_second_load_when_the_store_was_away(site: Site, admin: httpx.Client) -> None:
    admin.get("/kite/login")
    with away(site, "settings"):
        sentence = "The store does not answer; load this page again in a moment."
        assert_refused(admin.get(CALLBACK, params=GOOD), 503, sentence)
    assert admin.get(CALLBACK, params=GOOD).status_code == 303
    assert site.store.setting(SETTING)


def test_one_login_is_good_for_one_token(site: Site, admin: httpx.Client) -> None:
    admin.get("/kite/login")
    assert admin.get(CALLBACK, params=GOOD).status_code == 303
    assert "storm_kite" not in admin.cookies
    kept = site.store.setting(SETTING)
    assert admin.get(CALLBACK, params=GOOD | {"request_token": "another"}).status_code == 403
    assert site.store.setting(SETTING) == kept


def test_a_token_from_a_login_that_was_not_started_here_is_refused(site: Site, admin: httpx.Client) -> None:
    answer = admin.get(CALLBACK, params=GOOD)
    assert_refused(answer, 403, "This login was not started here. Start it with the button on the Admin page.")
    assert site.store.setting(SETTING) == ""


@pytest.mark.parametrize(
    "changed",
    [
        {"status": "failed"},
        {"status": ""},
        {"request_token": ""},
        {"request_token": "a b"},
        {"request_token": "x" * 129},
        {"request_token": "<script>"},
        {"request_token": "tok\n"},
    ],
    ids=str,
)
def test_what_kite_did_not_confirm_is_not_kept(site: Site, admin: httpx.Client, changed: dict[str, str]) -> None:
    admin.get("/kite/login")
    answer = admin.get(CALLBACK, params=GOOD | changed)
    assert_refused(answer, 400, "Kite did not confirm the login. Please try once more.")
    assert site.store.setting(SETTING) == "" and "<script" not in answer.text
    # The way is still open for a second try.
    assert admin.get(CALLBACK, params=GOOD).status_code == 303


@pytest.mark.parametrize("path", ["/kite/login", CALLBACK])
def test_a_member_may_not(site: Site, path: str) -> None:
    site.store.save_setting(SETTING, "")
    with site.sign_in("mina") as member:
        member.cookies.set("storm_kite", "mine", path="/kite/")
        assert_refused(member.get(path, params=GOOD), 403, "Only admins may do this.")
    assert site.store.setting(SETTING) == ""


@pytest.mark.parametrize(
    ("sent_from", "status"), [("same-origin", 303), ("none", 303), ("cross-site", 403), ("same-site", 403)]
)
def test_another_sites_link_does_not_start_a_login(admin: httpx.Client, sent_from: str, status: int) -> None:
    answer = admin.get("/kite/login", headers={"Sec-Fetch-Site": sent_from})
    assert answer.status_code == status
    if status == 403:
        assert_refused(answer, 403, "Start the Kite login with the button on the Admin page.")
        assert "storm_kite" not in admin.cookies


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [
        ("KITE_API_KEY", "There is no Kite API key: set KITE_API_KEY and KITE_API_SECRET on the Admin page."),
        ("STORM_MASTER_SECRET", "Kite&#39;s token cannot be kept safe: set STORM_MASTER_SECRET, then start StormAlert again."),
    ],
)
def test_without_its_settings_the_login_says_which_one_is_missing(
    redis_url: str, tmp_path: Path, users: tuple[User, ...], missing: str, sentence: str
) -> None:
    with running(redis_url, tmp_path, users, **{missing: ""}) as site, site.sign_in("asha") as client:
        assert_refused(client.get("/kite/login"), 409, sentence)
        client.cookies.set("storm_kite", "mine", path="/kite/")
        if missing == "STORM_MASTER_SECRET":
            assert_refused(client.get(CALLBACK, params=GOOD), 409, sentence)
            assert site.store.setting(SETTING) is None
