"""Files that pages need beside their own: libraries that are shipped with us, so that no page asks a stranger."""

import re
from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER = Path(__file__).with_name("assets")
_HAS_VERSION = re.compile(r"-\d+\.\d+\.\d+\.\w+$")


class Files(StaticFiles):
    def __init__(self) -> None:
        super().__init__(directory=FOLDER)

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        # What has its version in its name never changes; of the rest browsers ask whether it did.
        keep = "max-age=31536000, immutable" if _HAS_VERSION.search(path) else "no-cache"
        response.headers["Cache-Control"] = f"private, {keep}"
        return response
