"""What a request is answered that cannot be granted: problem details, RFC 9457."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

MEDIA_TYPE = "application/problem+json"
_SHOWN_MAX = 80

Headers = Mapping[str, str] | None


class Found(BaseModel):
    """One thing that is wrong with the input."""

    model_config = ConfigDict(frozen=True)

    place: str = Field(description="where in the input, such as body.percent; in a table, its line and column")
    found: str
    expected: str


class Problem(BaseModel):
    model_config = ConfigDict(frozen=True)

    type: str = Field("about:blank", description="about:blank: what the status says")
    title: str = Field(description="the status in words")
    status: int
    detail: str = Field(description="one sentence for a person")
    errors: list[Found] = Field(default=[], description="each thing that is wrong, where there are several")


class RequestRefused(Exception):
    """Ends a request with a problem."""

    def __init__(self, status: int, detail: str, errors: Sequence[Found] = (), headers: Headers = None) -> None:
        super().__init__(detail)
        self.response = problem(status, detail, errors, headers)


def problem(status: int, detail: str, errors: Sequence[Found] = (), headers: Headers = None) -> JSONResponse:
    told = Problem(type="about:blank", title=HTTPStatus(status).phrase, status=status, detail=detail, errors=list(errors))
    return JSONResponse(told.model_dump(), status, {"Cache-Control": "no-store", **(headers or {})}, MEDIA_TYPE)


def shown(value: object) -> str:
    """What was found, short, and without what JSON cannot carry, such as half a surrogate pair."""
    text = value if isinstance(value, str) else repr(value)
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}…"
