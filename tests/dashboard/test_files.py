"""Files that pages need beside their own."""

import pytest

from dashboard.web.files import FOLDER

from .conftest import Rig

CHARTS = "/assets/lightweight-charts-5.2.1.mjs"


def test_members_get_them_as_scripts_that_are_kept_when_their_name_has_a_version(rig: Rig) -> None:
    with rig.sign_in("mina") as mina:
        charts, ours = mina.get(CHARTS), mina.get("/assets/relay.mjs")
        again = mina.get("/assets/relay.mjs", headers={"If-None-Match": ours.headers["etag"]})
    assert charts.content == (FOLDER / CHARTS.rpartition("/")[2]).read_bytes()
    assert "javascript" in charts.headers["content-type"] and "javascript" in ours.headers["content-type"]
    assert (charts.headers["cache-control"], ours.headers["cache-control"]) == (
        "private, max-age=31536000, immutable",
        "private, no-cache",
    )
    assert (again.status_code, again.headers["cache-control"]) == (304, "private, no-cache")


def test_strangers_get_none(rig: Rig) -> None:
    with rig.visitor() as visitor:
        answer = visitor.get(CHARTS)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")


@pytest.mark.parametrize("path", ["../main.py", "%2e%2e/main.py", "..%2f..%2fpyproject.toml", "%2fetc%2fpasswd", "a%00", ""])
def test_nothing_else_is_to_be_had_that_way(rig: Rig, path: str) -> None:
    with rig.sign_in("mina") as mina:
        # Not the client's idea of the path: it would take the dots out.
        answer = mina.get(f"{rig.url}/assets/{path}", extensions={"target": f"/assets/{path}".encode()})
    # Streamlit refuses dots and zeros before we see them.
    assert answer.status_code in (400, 404)
