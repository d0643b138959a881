"""Where the queue's board is: at the same path on its own port and behind the dashboard, so that nobody rewrites its pages."""

from stormalert.config.settings import Settings

PATH = "/admin/queue"
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - listened at, not called


def address(config: Settings) -> str:
    """For the dashboard, without a slash at its end."""
    if config.queue_board_url:
        return config.queue_board_url.rstrip("/")
    host = f"[{config.host}]" if ":" in config.host else config.host
    return f"http://{_EVERYWHERE.get(config.host, host)}:{config.queue_board_port}"
