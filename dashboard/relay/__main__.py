"""`python -m dashboard.relay`."""

from dashboard.relay.server import serve_until
from stormalert.process import run

run("relay", serve_until)
