# ruff: noqa: S608 - names of tables and columns are this package's own; values are bound.
"""From the store's words to SQLite's: one `Table` a noun."""

import json
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Generic, NamedTuple

from stormalert.store.nouns import Kept, Noun
from stormalert.store.query import Condition, Cursor, Either, Has, Holds, Named, OneOf, Scalar, SymbolCursor, Where, ordered

FOLDED = "folded_"


class Sql(NamedTuple):
    text: str
    values: tuple[Any, ...] = ()


class Table(Generic[Kept]):
    """`columns`: each of the table, and whether a row is written with it or SQLite makes it of the body; `tables`: all."""

    def __init__(self, noun: Noun[Kept], columns: Mapping[str, bool], tables: "Mapping[str, Table[Any]]") -> None:
        self._noun, self._columns, self._tables = noun, columns, tables
        self.name = noun.name
        self.written = [name for name, is_written in columns.items() if is_written]
        spread = ", ".join(f"'{name}', {f'json({name})' if name in noun.lists else name}" for name in columns)
        self.body = "body" if "body" in columns else f"json_object({spread})"
        self.key = self.column(noun.key)

    def row(self, record: Kept) -> list[Any]:
        """As it is stored, by `written`."""
        return [self._value(record, column) for column in self.written]

    def insert(self, how: str) -> str:
        return f"INSERT{how} INTO {self.name} ({', '.join(self.written)}) VALUES ({', '.join('?' * len(self.written))})"

    def replace(self) -> str:
        """With a row, a key and a revision behind it."""
        assignments = ", ".join(f"{column} = ?" for column in self.written)
        return f"UPDATE {self.name} SET {assignments} WHERE {self.key} = ? AND revision = ?"

    def select(
        self,
        what: str,
        where: Sequence[Condition],
        order: str = "",
        limit: int | None = None,
        after: Cursor | SymbolCursor | None = None,
    ) -> Sql:
        text, values = self._all([*self._each(where), *([self._beyond(order, after)] if after else [])])
        if order:
            columns = (self.column(field) + (" DESC" if falls else "") for field, falls in ordered(order))
            text += f" ORDER BY {', '.join(columns)}"
        if limit is not None:
            text, values = f"{text} LIMIT ?", (*values, limit)
        return Sql(f"SELECT {what} FROM {self.name}{text}", values)

    def delete(self, where: Sequence[Condition]) -> Sql:
        text, values = self._all(self._each(where))
        return Sql(f"DELETE FROM {self.name}{text}", values)

    def amend(self, where: Sequence[Condition], fields: Mapping[str, Scalar], *, counts: bool) -> Sql:
        """`counts`: the revision goes on by one."""
        parts = [f"'$.{field}', ?" for field in fields] + (["'$.revision', revision + 1"] if counts else [])
        columns = {field: value for field, value in fields.items() if field in self.written}
        assignments = [
            f"body = json_set(body, {', '.join(parts)})",
            *(f"{field} = ?" for field in columns),
            *(["revision = revision + 1"] if counts else []),
        ]
        text, values = self._all(self._each(where))
        return Sql(f"UPDATE {self.name} SET {', '.join(assignments)}{text}", (*fields.values(), *columns.values(), *values))

    def column(self, field: str) -> str:
        if field.startswith(FOLDED):
            # The copy has the field's name. Its index is one of any case.
            return f"{field.removeprefix(FOLDED)} COLLATE NOCASE"
        is_column = field in self._columns and field not in self._noun.folded
        return field if is_column else f"json_extract(body, '$.{field}')"

    def _value(self, record: Kept, column: str) -> Any:
        if column == "body":
            return record.model_dump_json()
        value = getattr(record, column)
        if column in self._noun.folded:
            return value.casefold()
        return json.dumps(value) if column in self._noun.lists else value

    @staticmethod
    def _all(conditions: Sequence[Sql]) -> Sql:
        text = " AND ".join(sql.text for sql in conditions)
        return Sql(f" WHERE {text}" if text else "", tuple(value for sql in conditions for value in sql.values))

    def _each(self, where: Sequence[Condition]) -> list[Sql]:
        return [self._condition(it) for it in where]

    def _condition(self, condition: Condition) -> Sql:
        match condition:
            case Where(field, comparison, value):
                # Spelled out, since a partial index is not chosen by a value that is bound.
                if isinstance(value, Enum) or value == "":
                    return Sql(f"{self.column(field)} {comparison} '{value}'")
                return Sql(f"{self.column(field)} {comparison} ?", (value,))
            case OneOf(field, values, is_not):
                inside = f"{'NOT ' if is_not else ''}IN (SELECT value FROM json_each(?))"
                return Sql(f"{self.column(field)} {inside}", (json.dumps(list(values)),))
            case Holds(field, text, is_first):
                # LIKE and NOCASE are about ASCII only, which is why there are folded copies.
                like = f"{self.column(field)} LIKE ? ESCAPE '\\'"
                literal = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
                if is_first:
                    return Sql(f"({like} OR {like})", (f"{literal}%", f"%:{literal}%"))
                return Sql(like, (f"%{literal}%",))
            case Either(groups):
                some = [self._each(group) for group in groups]
                text = " OR ".join(" AND ".join(sql.text for sql in group) for group in some)
                return Sql(f"({text})", tuple(it for group in some for sql in group for it in sql.values))
            case Named(field, noun, where):
                inner = self._tables[noun.name].select(noun.key, where)
                return Sql(f"{self.column(field)} IN ({inner.text})", inner.values)
            case Has(noun, field, where):
                inner = self._tables[noun.name].select("1", where)
                return Sql(f"EXISTS ({inner.text} AND {field} = {self.name}.{self.key})", inner.values)

    def _beyond(self, order: str, after: Cursor | SymbolCursor) -> Sql:
        """Past a cursor, in a way that an index serves."""
        (first, falls), (last, _) = ordered(order)
        than, column = "<" if falls else ">", self.column(first)
        if column == first:
            return Sql(f"({first}, {last}) {than} (?, ?)", after)
        # An index on an expression serves no pair.
        return Sql(f"{column} {than}= ? AND ({column} {than} ? OR {last} {than} ?)", (after[0], *after))
