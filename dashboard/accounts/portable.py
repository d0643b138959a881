"""All that is kept about a user, as one JSON object; the data's own spelling, so that a program can read it."""

import json
from collections.abc import Iterator, Sequence

from starlette.responses import Response, StreamingResponse

from stormalert import channels
from stormalert.model import Channel, Record, Rule, User
from stormalert.notify import preferences, templates
from stormalert.store import Store

_PAGE = 500
_SECRETS = {"password_hash", "totp_sealed", "recovery_digests", "refresh_digest"}


def portable(store: Store, user: User) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="stormalert-{user.id}.json"', "Cache-Control": "no-store"}
    return StreamingResponse(_text(store, user), headers=headers, media_type="application/json")


def _text(store: Store, user: User) -> Iterator[str]:
    """In pieces: the history may be long."""
    yield f'{{"user":{_json(user)}'
    yield f',"sessions":{_list(store.sessions_of(user.id))}'
    yield f',"channels":{_list([_shown(it) for it in store.channels_of(user.id)])}'
    yield f',"mutes":{_list(store.mutes_of(user.id, 0))}'
    yield f',"watchlist":{store.watchlist(user.id)}'
    burst = preferences.burst(store, user.id)
    yield f',"burst":{_json(burst) if burst else "null"}'
    yield f',"template":{json.dumps(templates.template_of(store, user.id))}'
    yield ',"rules":['
    yield from _joined(_rules(store, user))
    yield '],"alerts":['
    yield from _joined(_alerts(store, user))
    yield '],"audit":['
    yield from _joined(_json(entry) for entry in store.audit(limit=100_000, user=user.id))
    yield "]}"


def _shown(channel: Channel) -> Channel:
    return channel.model_copy(update={"address": channels.shown(channel)})


def _rules(store: Store, user: User) -> Iterator[str]:
    for rule in rules_of(store, user.id):
        yield f'{{"rule":{_json(rule)},"messages":{_json(preferences.of_rule(store, rule.id))}}}'


def _alerts(store: Store, user: User) -> Iterator[str]:
    after = None
    while page := store.alerts_of(user.id, after, _PAGE):
        for alert in page:
            yield f'{{"alert":{_json(alert)},"deliveries":{_list(store.deliveries_of(alert.id))}}}'
        after = (page[-1].time_ms, page[-1].id)


def rules_of(store: Store, user: str) -> Iterator[Rule]:
    """All of them, page by page."""
    after = None
    while page := store.rules_of(user, after, _PAGE):
        yield from page
        after = (page[-1].updated_ms, page[-1].id)


def _joined(texts: Iterator[str]) -> Iterator[str]:
    for number, text in enumerate(texts):
        yield f",{text}" if number else text


def _list(records: Sequence[Record]) -> str:
    return f"[{','.join(map(_json, records))}]"


def _json(record: Record) -> str:
    return record.model_dump_json(exclude=_SECRETS)
