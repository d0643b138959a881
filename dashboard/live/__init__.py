"""The live part of the first page: a component in the page itself that listens to the relay, so that no rerun is needed."""

from pathlib import Path

from streamlit.components import v2

from dashboard import resources

_HERE = Path(__file__).parent
_mount = v2.component("live", js=(_HERE / "live.js").read_text(), css=(_HERE / "live.css").read_text())


def live(symbols: dict[int, str]) -> None:
    """Status, alerts, and the price of each of `symbols` (by token)."""
    config = resources.config()
    # The port goes with the host under which the browser found this page.
    data = {"url": config.relay_url, "port": config.relay_port, "symbols": {str(token): it for token, it in symbols.items()}}
    _mount(key="live", data=data)
