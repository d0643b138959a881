"""Errors in Kite's own words."""

from starlette.responses import JSONResponse


class KiteError(Exception):
    """An error as Kite answers it."""

    def __init__(self, status: int, error_type: str, message: str) -> None:
        super().__init__(message)
        self.status, self.error_type, self.message = status, error_type, message

    def response(self) -> JSONResponse:
        body = {"status": "error", "message": self.message, "data": None, "error_type": self.error_type}
        return JSONResponse(body, self.status)
