"""From the store's words to MongoDB's. A field is named as in the model, but the noun's key, which is `_id`."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from pymongo import ASCENDING, DESCENDING

from stormalert.store.nouns import Kept, Noun
from stormalert.store.query import Condition, Cursor, Either, Has, Holds, Named, OneOf, SymbolCursor, Where, ordered

Document = dict[str, Any]
# One field of so many of a noun, in that order.
Ask = Callable[[Noun[Any], str, Sequence[Condition], str, int], list[Any]]

OPERATORS = {"<>": "$ne", "<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte"}
# What is looked up first, to filter others by it; a server's own list of ids may have some 16 MB.
MANY = 10_000


def field_of(noun: Noun[Any], field: str) -> str:
    return "_id" if field == noun.key else field


def order_of(noun: Noun[Any], order: str) -> list[tuple[str, int]]:
    return [(field_of(noun, field), DESCENDING if falls else ASCENDING) for field, falls in ordered(order)]


def document(noun: Noun[Kept], record: Kept) -> Document:
    fields = record.model_dump(mode="json")
    return {"_id": fields.pop(noun.key), **fields, **noun.copies(record)}


def record(noun: Noun[Kept], found: Document) -> Kept:
    """Fields that the model does not know, such as those of a search, are left out."""
    fields = {**found, noun.key: found["_id"]}
    return noun.kind.model_validate({name: fields[name] for name in noun.kind.model_fields if name in fields})


def filter_of(noun: Noun[Any], where: Sequence[Condition], ask: Ask) -> Document:
    """`ask` for what has to be looked up first. One plain document where no two conditions are about one field."""
    conditions = [_condition(noun, it, ask) for it in where]
    merged = {name: value for condition in conditions for name, value in condition.items()}
    return merged if len(merged) == sum(map(len, conditions)) else {"$and": conditions}


def beyond(noun: Noun[Any], order: str, after: Cursor | SymbolCursor) -> Document:
    """Past a cursor; the first condition is what an index can serve."""
    (first, falls), (last, _) = ordered(order)
    than = "$lt" if falls else "$gt"
    return {
        first: {f"{than}e": after[0]},
        "$or": [{first: {than: after[0]}}, {field_of(noun, last): {than: after[1]}}],
    }


def _condition(noun: Noun[Any], condition: Condition, ask: Ask) -> Document:
    match condition:
        case Where(field, comparison, value):
            # An enum's member is stored as its text.
            plain = str(value) if isinstance(value, str) else value
            return {field_of(noun, field): plain if comparison == "=" else {OPERATORS[comparison]: plain}}
        case OneOf(field, values, is_not):
            return {field_of(noun, field): {"$nin" if is_not else "$in": list(values)}}
        case Holds(field, text, is_first):
            # A regular expression may not hold a NUL.
            literal = re.escape(text.replace("\0", ""))
            any_case = {} if field.startswith("folded_") else {"$options": "i"}
            return {field_of(noun, field): {"$regex": f"(^|:){literal}" if is_first else literal, **any_case}}
        case Either(groups):
            return {"$or": [filter_of(noun, group, ask) for group in groups]}
        case Named(field, other, where):
            return {field_of(noun, field): {"$in": ask(other, other.key, where, "", MANY)}}
        case Has(other, field, where, order):
            return {"_id": {"$in": list(set(ask(other, field, where, order, MANY)))}}
