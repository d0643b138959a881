"""What somebody finds who got hold of the store's files and of all that is in Redis, and of the log: no secret that works."""

import json
from pathlib import Path
from typing import Any

import redis

from stormalert.access.sessions import ACCESS_COOKIE, REFRESH_COOKIE
from stormalert.model import User
from stormalert.redis import keys

from .conftest import JWT_SECRET, MASTER_SECRET, PASSWORD, Site, running
from .test_accounts import NEW, with_second_factor

KEYS = {
    "KITE_API_SECRET": "planted-kite-secret",
    "TELEGRAM_BOT_TOKEN": "1234567:planted-telegram-token",
    "TWILIO_AUTH_TOKEN": "planted-twilio-token",
    "SMTP_URL": "smtp://user:planted-mail-password@mail.example:587",
}


def test_a_dump_of_store_and_redis_and_the_log_hold_no_usable_secret(
    redis_url: str, tmp_path: Path, users: tuple[User, ...]
) -> None:
    with running(redis_url, tmp_path, users) as site, site.sign_in("asha") as admin:
        planted = [PASSWORD, JWT_SECRET, MASTER_SECRET, *KEYS.values(), admin.cookies[ACCESS_COOKIE]]
        planted.append(admin.cookies[REFRESH_COOKIE].partition(".")[2])
        for name, value in KEYS.items():
            answer = admin.put(f"/api/admin/keys/{name}", json={"value": value})
            assert answer.status_code == 200 and value not in answer.text and answer.json()["shown"] == value[-4:]
        refused = admin.put("/api/admin/keys/SMTP_URL", json={"value": "planted-no-url"})
        assert refused.status_code == 422 and "planted" not in refused.text
        secret, _, codes = with_second_factor(admin)
        planted += [secret, *codes]
        planted.append(admin.post("/api/auth/tokens", json={"label": "cron", "scopes": ["admin"]}).json()["token"])
        planted += [admin.post("/api/admin/invitations", json={}).json()["link"].rpartition("/")[2]]
        planted += [admin.post("/api/admin/users/u-mina/reset").json()["link"].rpartition("/")[2]]
        admin.get("/kite/login")
        assert admin.get("/kite/callback", params={"request_token": "planted-token", "status": "success"}).status_code == 303
        planted.append("planted-token")
        shown = [
            admin.get(path).text for path in ("/api/admin/keys", "/api/admin/audit", "/api/auth/export", "/api/admin/users")
        ]
        log = site.log.read_text()
        with redis.Redis.from_url(redis_url) as client:
            assert client.exists(keys.code_used("u-asha", 0)) == 0
            in_redis = b"\n".join(dump(client, key) for key in client.scan_iter())
        in_store = b"\n".join(file.read_bytes() for file in tmp_path.glob("store.sqlite3*"))
    found = {"redis": in_redis, "the store": in_store, "the log": log.encode(), "an answer": json.dumps(shown).encode()}
    assert len(in_redis) > 100 and len(in_store) > 10_000 and len(planted) == 22
    for text in (*planted, NEW):
        for place, content in found.items():
            assert text.encode() not in content, f"{text[:12]}... is in {place}"


def dump(client: Any, key: bytes) -> bytes:
    read = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"set": client.smembers,
        b"zset": lambda name: client.zrange(name, 0, -1, withscores=True),
        b"stream": client.xrange,
        b"list": lambda name: client.lrange(name, 0, -1),
    }
    return key + repr(read[client.type(key)](key)).encode()


def test_what_was_stolen_opens_nothing(site: Site) -> None:
    """Digests and ids, tried in the place of what they are made of."""
    with site.sign_in("mina") as mina:
        sid = next(it["id"] for it in mina.get("/api/auth/sessions").json() if it["is_this"])
        stored = site.store.session(sid)
        assert stored
    with site.sign_in("asha") as admin:
        admin.post("/api/admin/users/u-mina/reset")
    (token,) = [it for it in site.store.one_time_tokens() if it.user == "u-mina"]
    with site.visitor() as thief:
        thief.cookies.set(REFRESH_COOKIE, f"{sid}.{stored.refresh_digest}")
        assert thief.get("/api/auth/me").status_code == 401
        assert thief.get(f"/reset/{token.id}").status_code == 410
    site.store.take_one_time_token(token.id)
