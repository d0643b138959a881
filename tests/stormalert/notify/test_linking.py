"""Links and codes, with a real Redis and a real store."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from stormalert.config import settings
from stormalert.errors import InputError, StormError
from stormalert.model import Channel, ChannelKind
from stormalert.notify import send_requests
from stormalert.notify.linking import CODES_PER_HOUR, TRIES, Linking, link_chat, owner_of_chat
from stormalert.notify.send_requests import SendKind, SendResult, SendState
from stormalert.redis import keys
from stormalert.store import Store, open_store

MAIL = Channel(id="c1", user="u1", kind=ChannelKind.EMAIL, address="asha@example.com", is_verified=False)


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@pytest.fixture
def links(redis: Redis) -> Linking:
    return Linking(redis, settings.parse({"STORM_MASTER_SECRET": "m" * 32}))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store("", tmp_path / "store.sqlite3")
    yield store
    store.close()


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06d}"


def everything_in(redis: Redis) -> str:
    found = []
    for key in redis.scan_iter():
        kind = redis.type(key)
        found += [key, str(redis.hgetall(key) if kind == "hash" else redis.xrange(key) if kind == "stream" else redis.get(key))]
    return " ".join(found)


def test_a_link_is_used_once_and_for_a_quarter_of_an_hour(links: Linking, redis: Redis) -> None:
    token = links.make_link("u1")
    assert 0 < links.left_s(token) <= keys.link.kept_s
    assert token not in everything_in(redis)
    assert links.use_link(token) == "u1"
    assert links.use_link(token) is None
    assert links.left_s(token) == 0


def test_a_token_fits_what_telegram_takes_as_a_start_parameter(links: Linking) -> None:
    token = links.make_link("u1")
    assert len(token) <= 64
    assert token.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize("token", ["", "x", "*", "u1"])
def test_a_token_that_nobody_made_links_nothing(links: Linking, token: str) -> None:
    links.make_link("u1")
    assert links.use_link(token) is None


def test_a_code_is_good_once_and_however_it_is_spaced(links: Linking, redis: Redis) -> None:
    code = links.make_code(MAIL)
    assert 0 < redis.ttl(keys.code("c1")) <= keys.code.kept_s
    assert code not in everything_in(redis)
    links.check_code(MAIL, f" {code[:3]} {code[3:]}\n")
    with pytest.raises(InputError, match="no code"):
        links.check_code(MAIL, code)


def test_a_code_is_refused_after_five_tries_even_when_it_is_right(links: Linking) -> None:
    code = links.make_code(MAIL)
    for _ in range(TRIES):
        with pytest.raises(InputError, match="not the code"):
            links.check_code(MAIL, wrong(code))
    with pytest.raises(InputError, match="more than 5 times"):
        links.check_code(MAIL, code)
    links.check_code(MAIL, links.make_code(MAIL))


def test_the_fifth_try_still_counts(links: Linking) -> None:
    code = links.make_code(MAIL)
    for _ in range(TRIES - 1):
        with pytest.raises(InputError):
            links.check_code(MAIL, wrong(code))
    links.check_code(MAIL, code)


def test_a_new_code_replaces_the_one_before(links: Linking) -> None:
    first = links.make_code(MAIL)
    second = links.make_code(MAIL)
    if first != second:
        with pytest.raises(InputError, match="not the code"):
            links.check_code(MAIL, first)
    links.check_code(MAIL, second)


def test_a_code_is_for_one_address_of_one_channel(links: Linking) -> None:
    code = links.make_code(MAIL)
    with pytest.raises(InputError, match="not the code"):
        links.check_code(MAIL.model_copy(update={"address": "other@example.com"}), code)
    with pytest.raises(InputError, match="no code"):
        links.check_code(MAIL.model_copy(update={"id": "c2"}), code)


@pytest.mark.parametrize("text", ["", "12345", "1234567", "12345a", "١٢٣٤٥٦", "x" * 5000])
def test_what_is_no_code_is_refused_and_costs_no_try(links: Linking, text: str) -> None:
    code = links.make_code(MAIL)
    for _ in range(TRIES + 1):
        with pytest.raises(InputError, match="six digits"):
            links.check_code(MAIL, text)
    links.check_code(MAIL, code)


def test_nobody_is_flooded_with_codes(links: Linking) -> None:
    for _ in range(CODES_PER_HOUR):
        links.make_code(MAIL)
    with pytest.raises(InputError, match="an hour"):
        links.make_code(MAIL.model_copy(update={"id": "c2"}))


def test_without_a_secret_no_code_is_made(redis: Redis) -> None:
    with pytest.raises(StormError, match="JWT_SECRET"):
        Linking(redis, settings.parse({})).make_code(MAIL)


def test_a_chat_speaks_for_the_user_who_linked_it_last(store: Store) -> None:
    first = link_chat(store, "u1", "42")
    assert (first.takes_alerts, owner_of_chat(store, "42")) == (True, first)
    second = link_chat(store, "u2", "42")
    assert owner_of_chat(store, "42") == second
    former = store.channel(first.id)
    assert former is not None
    assert (former.is_verified, former.reason) == (False, "the chat was linked to another account")
    again = link_chat(store, "u1", "42")
    assert (again.id, again.takes_alerts, again.reason) == (first.id, True, "")


def test_a_chat_that_two_users_named_before_there_were_proofs_speaks_for_nobody(store: Store) -> None:
    for user in ("u1", "u2"):
        store.save_channel(Channel(id=user, user=user, kind=ChannelKind.TELEGRAM, address="42"))
    assert owner_of_chat(store, "42") is None
    assert owner_of_chat(store, "43") is None


def test_a_send_request_is_asked_for_and_settled(redis: Redis) -> None:
    request = send_requests.ask(redis, SendKind.TEST, "c1")
    assert send_requests.result(redis, request) == SendResult(SendState.WAITING)
    assert [fields for _, fields in redis.xrange(keys.SEND_REQUESTS)] == [{"errand": request, "kind": "test", "channel": "c1"}]
    send_requests.settle(redis, request, SendResult(SendState.FAILED, "timed out"))
    assert send_requests.result(redis, request) == SendResult(SendState.FAILED, "timed out")
    assert 0 < redis.ttl(keys.send_request(request)) <= keys.send_request.kept_s
    assert send_requests.result(redis, "unknown") is None
