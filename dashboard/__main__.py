"""`python -m dashboard`: the pages and the routes."""

from dashboard.web.server import serve
from stormalert.process import run

if __name__ == "__main__":
    run("dashboard", serve)
