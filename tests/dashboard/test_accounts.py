"""Accounts from the first admin's link to being erased, over HTTP as browsers and scripts do it."""

import re
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pyotp
import pytest
from argon2 import PasswordHasher
from redis import Redis

from dashboard.accounts import one_time_links
from stormalert.access.sessions import ACCESS_COOKIE
from stormalert.config import policy
from stormalert.config.policy import Plan, Policy, SecondFactor
from stormalert.errors import InputError
from stormalert.model import AuditEntry, OneTimeTokenKind, Role, RuleState, User
from stormalert.notify import preferences
from stormalert.notify.preferences import Loudness, RulePreferences
from stormalert.redis import keys
from stormalert.store import open_store
from tests.store.records import a_rule

from .conftest import PASSWORD, Site, away, post_login, running, shut
from .test_auth import sign_out_token

NEW = "a new long password"
LINK = re.compile(r"(/join/[A-Za-z0-9_-]{40,})")


@pytest.fixture(autouse=True)
def _as_before(site: Site) -> Iterator[None]:
    before = {user.id: user for user in site.store.users()}
    yield
    policy.save(site.store, Policy())
    for user in site.store.users():
        if user.id in before:
            site.store.save_user(before[user.id].model_copy(update={"revision": user.revision}))
        else:
            site.store.erase_user(user.id)
    for user in before.values():
        if site.store.user(user.id) is None:
            site.store.save_user(user.model_copy(update={"revision": 0}))


@contextmanager
def invited(site: Site, name: str, **asked: str) -> Iterator[httpx.Client]:
    """A new account that is signed in."""
    with site.sign_in("asha") as admin:
        link = admin.post("/api/admin/invitations", json=asked).json()["link"]
    with site.visitor() as visitor:
        form = {"name": name, "password": NEW, "again": NEW}
        assert visitor.post(link, data=form).headers["location"] == "/login?said=joined"
        assert post_login(visitor, name, NEW).status_code == 303
        yield visitor


def audit(site: Site, count: int = 1) -> list[tuple[str, str, str]]:
    return [(it.user, it.action, it.detail) for it in site.store.audit(limit=count)]


def code_field(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]+)"', page)
    assert found, page
    return found[1]


def fresh_code(secret: str, *used: str) -> str:
    """One that was not used yet."""
    while (code := pyotp.TOTP(secret).now()) in used:
        time.sleep(0.5)
    return code


def with_second_factor(client: httpx.Client) -> tuple[str, str, list[str]]:
    """The secret, the code that was used, and the recovery codes."""
    offer = client.post("/api/auth/second-factor").json()
    code = fresh_code(offer["secret"])
    accepted = client.post("/api/auth/second-factor/accept", json={"offer": offer["offer"], "code": code})
    return offer["secret"], code, accepted.json()["recovery_codes"]


def test_the_first_admin_comes_in_by_a_link_that_is_good_once(redis_url: str, tmp_path: Any) -> None:
    with running(redis_url, tmp_path, ()) as site, site.visitor() as visitor:
        (link,) = set(LINK.findall(site.log.read_text()))
        assert "Make an admin" in visitor.get(link).text
        assert visitor.get("/join/" + "x" * 43).status_code == 410
        short = visitor.post(link, data={"name": "asha", "password": "short", "again": "short"})
        assert (short.status_code, "needs 12 to 1024 characters, has 5" in short.text) == (422, True)
        assert visitor.post(link, data={"name": "asha", "password": NEW, "again": NEW + "x"}).status_code == 422
        assert visitor.post(link, data={"name": "A b", "password": NEW, "again": NEW}).status_code == 422
        assert visitor.post(link, data={"name": "Asha", "password": NEW, "again": NEW}).status_code == 303
        assert visitor.get(link).status_code == 410
        assert post_login(visitor, "asha", NEW).status_code == 303
        asha = site.store.user_by_name("asha")
        assert asha and asha.role is Role.ADMIN
        assert site.store.one_time_tokens() == []


def test_a_link_for_the_first_admin_is_void_when_there_is_one(redis_url: str, tmp_path: Any) -> None:
    with running(redis_url, tmp_path, ()) as site, site.visitor() as visitor:
        (link,) = set(LINK.findall(site.log.read_text()))
        site.store.save_user(User(id="u1", name="asha", password_hash="x", role=Role.ADMIN, created_ms=1))
        assert visitor.get(link).status_code == 410
        assert visitor.post(link, data={"name": "evil", "password": NEW, "again": NEW}).status_code == 410
    assert not LINK.findall(start_again(redis_url, tmp_path))


def start_again(redis_url: str, directory: Any) -> str:
    (directory / "again").mkdir()
    store = open_store("", directory / "again" / "store.sqlite3")
    store.save_user(User(id="u1", name="asha", password_hash="x", role=Role.ADMIN, created_ms=1))
    store.close()
    with running(redis_url, directory / "again", ()) as site:
        return site.log.read_text()


def test_an_invitation_makes_one_account_of_its_role_and_plan(site: Site) -> None:
    policy.save(site.store, Policy(plans={"standard": Plan(), "pro": Plan(rules=5)}))
    with invited(site, "ravi", role="member", plan="pro") as ravi:
        me = ravi.get("/api/auth/me").json()
        assert (me["name"], me["role"], me["plan"], me["limits"]["rules"]) == ("ravi", "member", "pro", 5)
        assert ravi.get("/api/admin/users").status_code == 403
    user = site.store.user_by_name("ravi")
    assert user and ("account made" in {action for _, action, _ in audit(site, 5)})
    assert [it for it in site.store.one_time_tokens() if it.kind is OneTimeTokenKind.INVITATION] == []


def test_a_name_that_is_taken_does_not_use_the_invitation_up(site: Site) -> None:
    with site.sign_in("asha") as admin:
        link = admin.post("/api/admin/invitations", json={}).json()["link"]
    token = link.rpartition("/")[2]
    with site.visitor() as visitor:
        taken = visitor.post("/api/auth/join", json={"token": token, "name": "mina", "password": NEW})
        assert (taken.status_code, taken.json()["detail"]) == (422, "This name is taken; choose another one.")
        assert visitor.post("/api/auth/join", json={"token": token, "name": "ravi", "password": NEW}).status_code == 201
        assert visitor.post("/api/auth/join", json={"token": token, "name": "omar", "password": NEW}).status_code == 410


def test_a_reset_link_sets_a_new_password_and_ends_all_sessions(site: Site) -> None:
    with site.sign_in("mina") as mina, site.sign_in("asha") as admin, site.visitor() as visitor:
        link = admin.post("/api/admin/users/u-mina/reset").json()["link"]
        assert "mina" in visitor.get(link).text
        answer = visitor.post(link, data={"password": NEW, "again": NEW})
        assert answer.headers["location"] == "/login?said=reset"
        assert mina.get("/api/auth/me").status_code == 401
        assert post_login(visitor, "mina", PASSWORD).status_code == 401
        assert post_login(visitor, "mina", NEW).status_code == 303


def test_a_link_for_a_new_password_stays_good_when_the_account_changed_at_the_same_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change_meanwhile(new: str) -> str:
        user = store.user("u1")
        assert user
        store.save_user(user.model_copy(update={"plan": "pro"}))
        return f"hash of {new}"

    monkeypatch.setattr(one_time_links, "hash_password", change_meanwhile)
    with closing(open_store("", tmp_path / "store.sqlite3")) as store:
        store.save_user(User(id="u1", name="mina", password_hash="x", created_ms=1))
        token, link = one_time_links.make(store, OneTimeTokenKind.RESET, "u-asha", user="u1")
        with pytest.raises(InputError, match=r"^The account changed at the same moment; set the password once more\.$"):
            one_time_links.reset(store, token, NEW)
        assert one_time_links.find(store, link.rpartition("/")[2], OneTimeTokenKind.RESET) == token
        user = store.user("u1")
        assert user and (user.plan, user.password_hash) == ("pro", "x")


def test_a_changed_password_ends_the_other_sessions_and_tokens(site: Site) -> None:
    with site.sign_in("mina") as here, site.sign_in("mina") as there, site.visitor() as script:
        made = there.post("/api/auth/tokens", json={"label": "cron", "scopes": ["read"]}).json()
        script.headers["Authorization"] = f"Bearer {made['token']}"
        assert script.get("/api/auth/me").json()["scopes"] == ["read"]
        wrong = here.post("/api/auth/password", json={"current": "wrong", "new": NEW})
        assert wrong.status_code == 403 and there.get("/api/auth/me").status_code == 200
        assert here.post("/api/auth/password", json={"current": PASSWORD, "new": "short"}).status_code == 422
        assert here.post("/api/auth/password", json={"current": PASSWORD, "new": NEW}).status_code == 204
        assert [it.get("/api/auth/me").status_code for it in (here, there, script)] == [200, 401, 401]


def test_sessions_are_listed_and_each_can_be_ended(site: Site) -> None:
    with site.sign_in("mina") as here, site.sign_in("mina") as there:
        listed = here.get("/api/auth/sessions").json()
        assert sum(it["is_this"] for it in listed) == 1 and all("python-httpx" in it["label"] for it in listed)
        other = there.get("/api/auth/sessions").json()
        (theirs,) = [it["id"] for it in other if it["is_this"]]
        assert here.delete(f"/api/auth/sessions/{theirs}").status_code == 204
        assert there.get("/api/auth/me").status_code == 401
        assert "refresh" not in str(listed)


def test_a_member_cannot_make_a_token_for_admins_work(site: Site) -> None:
    with site.sign_in("mina") as mina:
        answer = mina.post("/api/auth/tokens", json={"label": "cron", "scopes": ["admin"]})
        assert answer.status_code == 403


def test_a_second_factor_is_asked_for_from_then_on(site: Site) -> None:
    with site.sign_in("mina") as mina:
        secret, used, codes = with_second_factor(mina)
        assert mina.get("/api/auth/me").json()["has_second_factor"] is True
    with site.visitor() as visitor:
        asked = post_login(visitor, "mina", PASSWORD)
        assert asked.status_code == 200 and ACCESS_COOKIE not in visitor.cookies
        form = {"csrf": visitor.cookies["storm_csrf"], "step": code_field(asked.text, "step")}
        assert visitor.post("/login/code", data=form | {"code": used}).status_code == 401, "each code is good once"
        assert visitor.post("/login/code", data=form | {"code": "000000"}).status_code == 401
        assert visitor.post("/login/code", data=form | {"code": codes[0], "step": "forged"}).status_code == 403
        assert visitor.post("/login/code", data=form | {"code": codes[0]}).status_code == 303
        assert visitor.get("/").status_code == 200
    with site.visitor() as script:
        body = {"name": "mina", "password": PASSWORD}
        assert script.post("/api/auth/login", json=body).json()["detail"] == "Enter the code of your second factor too."
        assert script.post("/api/auth/login", json=body | {"code": codes[0]}).status_code == 401
        assert script.post("/api/auth/login", json=body | {"code": fresh_code(secret, used)}).status_code == 200
        assert script.post("/api/auth/second-factor/remove", json={"code": codes[1]}).status_code == 204
    with site.sign_in("mina") as mina:
        assert mina.get("/api/auth/me").json()["has_second_factor"] is False


def test_codes_are_not_guessed(site: Site) -> None:
    with site.sign_in("mina") as mina:
        _, _, codes = with_second_factor(mina)
    with site.visitor() as visitor, Redis.from_url(site.redis_url) as client:
        asked = post_login(visitor, "mina", PASSWORD)
        form = {"csrf": visitor.cookies["storm_csrf"], "step": code_field(asked.text, "step")}
        statuses = []
        # The first pause is a second: made long as soon as there is one, however late.
        while not statuses or not any(client.pexpire(it, 60_000) for it in client.scan_iter(keys.sign_in_pause.glob())):
            assert len(statuses) < 12, statuses
            statuses.append(visitor.post("/login/code", data=form | {"code": f"{len(statuses):06d}"}).status_code)
        assert statuses[:4] == [401] * 4
        assert visitor.post("/login/code", data=form | {"code": "000099"}).status_code == 429
        assert visitor.post("/login/code", data=form | {"code": codes[0]}).status_code == 429, "the right one waits too"


def test_who_must_have_a_second_factor_adds_it_when_signing_in(site: Site) -> None:
    policy.save(site.store, Policy(second_factor=SecondFactor.EVERYONE))
    with site.visitor() as visitor:
        refused = visitor.post("/api/auth/login", json={"name": "mina", "password": PASSWORD})
        assert refused.status_code == 403 and "second factor" in refused.json()["detail"]
        page = post_login(visitor, "mina", PASSWORD)
        assert page.status_code == 200 and "<svg" in page.text and ACCESS_COOKIE not in visitor.cookies
        found = re.search(r'<p class="key">([A-Z2-7]{32})</p>', page.text)
        assert found
        form = {"csrf": visitor.cookies["storm_csrf"], "step": code_field(page.text, "step")}
        again = visitor.post("/login/enrol", data=form | {"code": "000000"})
        assert again.status_code == 401 and found[1] in again.text
        done = visitor.post("/login/enrol", data=form | {"code": fresh_code(found[1])})
        assert done.status_code == 200 and len(re.findall(r"<li>[a-z2-9-]{19}</li>", done.text)) == 8
        assert visitor.get("/api/auth/me").json()["has_second_factor"] is True
        assert visitor.post("/api/auth/second-factor/remove", json={"code": "000000"}).status_code == 403
    with site.visitor() as other:
        assert "<svg" in post_login(other, "asha", PASSWORD).text


def test_a_store_that_is_away_does_not_make_a_sign_in_too_old(site: Site) -> None:
    with site.sign_in("mina") as mina:
        _, _, codes = with_second_factor(mina)
    with site.visitor() as visitor:
        asked = post_login(visitor, "mina", PASSWORD)
        form = {"csrf": visitor.cookies["storm_csrf"], "step": code_field(asked.text, "step"), "code": codes[0]}
        with away(site, "users"):
            refused = visitor.post("/login/code", data=form)
        assert (refused.status_code, "The store does not answer; load this page again" in refused.text) == (503, True)
        assert visitor.post("/login/code", data=form).status_code == 303


def test_a_store_that_is_away_is_a_sentence_on_the_ways_in_and_out(site: Site) -> None:
    policy.save(site.store, Policy(second_factor=SecondFactor.EVERYONE))
    sentence = "The store does not answer; load this page again in a moment."
    with site.visitor() as visitor:
        page = post_login(visitor, "mina", PASSWORD)
        found = re.search(r'<p class="key">([A-Z2-7]{32})</p>', page.text)
        assert found
        form = {"csrf": visitor.cookies["storm_csrf"], "step": code_field(page.text, "step"), "code": fresh_code(found[1])}
        with away(site, "audit"):
            refused = visitor.post("/login/enrol", data=form)
        assert (refused.status_code, sentence in refused.text) == (503, True)
    policy.save(site.store, Policy())
    with site.sign_in("asha") as asha, away(site, "audit"):
        csrf = sign_out_token(asha.cookies[ACCESS_COOKIE])
        refused = asha.post("/logout", data={"csrf": csrf})
        assert (refused.status_code, sentence in refused.text) == (503, True)
    with site.visitor() as visitor, away(site, "tickets"):
        for answer in (visitor.get("/join/x"), visitor.post("/reset/x", data={"password": NEW, "again": NEW})):
            assert (answer.status_code, sentence in answer.text) == (503, True)
    assert "Traceback" not in site.log.read_text()


def test_an_admin_helps_who_lost_the_phone(site: Site) -> None:
    with site.sign_in("mina") as mina:
        with_second_factor(mina)
    with site.sign_in("asha") as admin:
        assert admin.post("/api/admin/users/u-mina/drop-second-factor").status_code == 204
    removed = [(who, detail) for who, action, detail in audit(site, 10) if "second factor" in action and "removed" in action]
    assert removed == [("u-asha", "mina")], "it is the admin's act, and nobody else's"
    with site.sign_in("mina") as mina:
        assert mina.get("/api/auth/me").json()["has_second_factor"] is False


def test_an_account_that_is_switched_off_is_out_at_once(site: Site) -> None:
    with site.sign_in("mina") as mina, site.sign_in("asha") as admin:
        assert admin.patch("/api/admin/users/u-mina", json={"is_off": True}).status_code == 200
        assert mina.get("/api/auth/me").status_code == 401
        with site.visitor() as visitor:
            assert post_login(visitor, "mina", PASSWORD).status_code == 401
        assert admin.patch("/api/admin/users/u-mina", json={"is_off": False}).status_code == 200
        assert audit(site)[0] == ("u-asha", "user changed", "mina: is_off False")


def test_the_last_admin_stays(site: Site) -> None:
    with site.sign_in("asha") as admin:
        for change in ({"role": "member"}, {"is_off": True}):
            answer = admin.patch("/api/admin/users/u-asha", json=change)
            assert (answer.status_code, answer.json()["detail"]) == (409, "asha is the only admin; make another one first.")
        assert admin.delete("/api/admin/users/u-asha").status_code == 409
        assert admin.post("/api/auth/erase", json={"password": PASSWORD}).status_code == 409
        assert admin.patch("/api/admin/users/u-mina", json={"role": "admin"}).status_code == 200
        assert admin.patch("/api/admin/users/u-asha", json={"role": "member"}).status_code == 200
        assert admin.get("/api/admin/users").status_code == 403


def test_who_erases_oneself_leaves_nothing_but_the_audit_log(site: Site) -> None:
    with invited(site, "ravi") as ravi:
        made = ravi.post("/api/rules/line", json={"line": "NSE:INFY trailing 1%"}).json()
        ravi.put(f"/api/rules/{made['id']}/messages", json={"loudness": "off"})
        ravi.put("/api/settings", json={"burst": {"most": 1, "within_s": 1}, "template": "hello {symbol}"})
        # Deleted by a StormAlert that did not forget how its alerts were told.
        site.store.save_rule(a_rule("ravis-old", user=ravi.get("/api/auth/me").json()["id"], state=RuleState.DELETED))
        preferences.save_of_rule(site.store, "ravis-old", RulePreferences(loudness=Loudness.OFF))
        preferences.save_of_rule(site.store, "minas", RulePreferences(loudness=Loudness.OFF))
        exported = ravi.get("/api/auth/export").json()
        assert exported["template"] == "hello {symbol}" and exported["burst"] == {"most": 1, "within_s": 1}
        assert exported["user"]["name"] == "ravi" and exported["rules"][0]["rule"]["id"] == made["id"]
        assert "password_hash" not in str(exported) and exported["rules"][0]["messages"]["loudness"] == "off"
        user = exported["user"]["id"]
        assert ravi.post("/api/auth/erase", json={"password": NEW}).status_code == 204
        assert ravi.get("/api/auth/me").status_code == 401
    assert site.store.user(user) is None and site.store.rules_of(user) == []
    assert site.store.settings_like(f"burst.{user}") == {} and list(site.store.settings_like("wish.")) == ["wish.minas"]
    assert not [name for name in site.store.settings_like("") if user in name]
    left: AuditEntry = site.store.audit(limit=1)[0]
    assert (left.user, left.action) == (user, "account erased")


def test_how_a_rules_alerts_are_told_is_forgotten_with_the_rule(site: Site) -> None:
    with site.sign_in("mina") as mina:
        made = [mina.post("/api/rules/line", json={"line": "NSE:INFY trailing 1%"}).json()["id"] for _ in range(3)]
        for rule in made:
            mina.put(f"/api/rules/{rule}/messages", json={"loudness": "off"})
        assert mina.delete(f"/api/rules/{made[0]}").status_code == 204
        assert mina.post("/api/rules/bulk", json={"act": "delete", "ids": [made[1]]}).json()["done"] == [made[1]]
        mina.post(f"/api/rules/{made[2]}/pause")
    assert list(site.store.settings([f"wish.{rule}" for rule in made])) == [f"wish.{made[2]}"]


def test_limits_of_the_plan_are_told_clearly(site: Site) -> None:
    policy.save(site.store, Policy(plans={"standard": Plan(rules=1, channels=1)}))
    with invited(site, "ravi") as ravi:
        line = {"line": "NSE:INFY trailing 1%"}
        assert ravi.post("/api/rules/line", json=line).status_code == 201
        refused = ravi.post("/api/rules/line", json=line)
        sentence = "Your plan allows 1 rules; there are 1, and one more would be too many."
        assert (refused.status_code, refused.json()["detail"]) == (409, sentence)
        table = "symbol,kind,percent\nNSE:INFY,day,1\n"
        assert ravi.post("/api/rules/import", content=table, headers={"Content-Type": "text/csv"}).status_code == 409
        address = {"kind": "email", "address": "a@example.com"}
        assert ravi.post("/api/channels", json=address).status_code == 201
        assert ravi.post("/api/channels", json=address | {"address": "b@example.com"}).status_code == 409


def test_a_plan_in_use_cannot_be_taken_away(site: Site) -> None:
    plans = {"standard": {"rules": 1, "channels": 1}, "pro": {"rules": 2, "channels": 2}}
    body = {"plans": plans, "second_factor": "optional", "keep_days": 30, "keep_audit_days": 30}
    with site.sign_in("asha") as admin:
        assert admin.put("/api/admin/house", json=body).status_code == 200
        assert admin.patch("/api/admin/users/u-mina", json={"plan": "gold"}).status_code == 422
        assert admin.patch("/api/admin/users/u-mina", json={"plan": "pro"}).status_code == 200
        assert admin.put("/api/admin/house", json=body | {"plans": {"standard": plans["standard"]}}).status_code == 409
        assert admin.put("/api/admin/house", json=body | {"plans": {"pro": plans["pro"]}}).status_code == 422


def test_a_known_browser_gets_in_while_somebody_guesses_at_the_account(site: Site) -> None:
    with site.sign_in("mina") as mina, site.visitor() as guesser:
        shut(site, "mina", guesser)
        assert post_login(guesser, "mina", PASSWORD).status_code == 429
        assert post_login(mina, "mina", PASSWORD).status_code == 303
        # It is known for its own user only.
        assert post_login(mina, "asha", "wrong").status_code == 401
        assert post_login(guesser, "mina", PASSWORD).status_code == 429


def test_a_password_that_was_hashed_with_older_parameters_is_hashed_anew(site: Site) -> None:
    mina = site.store.user("u-mina")
    assert mina
    weak = PasswordHasher(time_cost=1, memory_cost=8_192, parallelism=1).hash(PASSWORD)
    site.store.save_user(mina.model_copy(update={"password_hash": weak}))
    with site.sign_in("mina"):
        now = site.store.user("u-mina")
        assert now and now.password_hash != weak and "m=65536" in now.password_hash


def test_readiness_and_metrics(site: Site) -> None:
    with site.visitor() as visitor, site.sign_in("mina") as mina, site.sign_in("asha") as admin:
        assert visitor.get("/readyz").json() == {"status": "ok", "redis": "ok", "store": "ok"}
        assert visitor.get("/metrics").status_code == 303 and mina.get("/metrics").status_code == 403
        made = admin.post("/api/auth/tokens", json={"label": "prometheus", "scopes": ["read"]}).json()
        bearer, deadline = {"Authorization": f"Bearer {made['token']}"}, time.monotonic() + 60
        while 'process="dashboard"' not in (answer := visitor.get("/metrics", headers=bearer)).text:
            # It beats every two seconds.
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.2)
        assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain; version=")
        assert 'stormalert_up{process="ingest"} 0.0' in answer.text and 'stormalert_up{process="dashboard"} 1.0' in answer.text
        assert 'stormalert_stream_waiting_entries{shard="s0",stream="ticks"} 0.0' in answer.text


def test_a_key_of_the_panel_is_used_at_once(site: Site) -> None:
    with site.sign_in("asha") as admin:
        assert "api_key=apikey" in admin.get("/kite/login").headers["location"]
        assert admin.put("/api/admin/keys/KITE_API_KEY", json={"value": "key-of-the-panel"}).json()["source"] == "panel"
        assert "api_key=key-of-the-panel" in admin.get("/kite/login").headers["location"]
        assert admin.put("/api/admin/keys/JWT_SECRET", json={"value": "x" * 40}).status_code == 404
        assert admin.delete("/api/admin/keys/KITE_API_KEY").status_code == 204
        assert "api_key=apikey" in admin.get("/kite/login").headers["location"]
    assert [action for _, action, _ in audit(site, 2)] == ["key forgotten", "key set"]
