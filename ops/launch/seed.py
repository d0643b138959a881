"""`python -m stormalert seed`: brings the demo to life where something else started its processes, such as docker compose."""

import time
from pathlib import Path
from urllib.parse import urlsplit

from ops.launch import demo
from ops.launch.password import memorable_password
from ops.launch.plan import DEMO_PASSWORD, RunPlan
from ops.launch.seeding import Seeding
from stormalert.config.settings import Settings
from stormalert.errors import StormError
from stormalert.process import REDIS_ERRORS, connect_in_thread
from stormalert.store import open_store

LOOK_S = 1


def seed(config: Settings, password_file: Path | None = None) -> int:
    """Returns when the demo market streams. The password is a new one each time where no file holds it. Raises StormError."""
    if not demo.is_stand_in(config.kite_api_root):
        raise StormError(f"the demo is made with the sandbox alone, and Kite is {urlsplit(config.kite_api_root).hostname} here")
    password = password_file.read_text().strip() if password_file else memorable_password()
    plan = RunPlan(config, {DEMO_PASSWORD: password}, forced={}, is_demo=True, is_redis_ours=False, data=config.var)
    with connect_in_thread(config.redis_url) as client:
        seeding = Seeding(plan, open_store(config.mongodb_uri, config.sqlite_path), client, since_ms=0)
        while not seeding.is_done:
            try:
                for line in seeding.advance():
                    print(line, flush=True)
            except REDIS_ERRORS as error:
                raise StormError(f"redis does not answer: {error}") from None
            time.sleep(LOOK_S)
    print(f"Sign in at {config.public_url} as {demo.USER}, password {password}", flush=True)
    return 0
