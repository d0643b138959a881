"""docker-compose.yml as Docker would read it: merged, with its variables filled in."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast

import yaml

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docker-compose.yml"
DEMO = ROOT / "docker-compose.demo.yml"
DOMAIN = "storm.test"
# Of every process, and of the dashboard, which needs more.
OURS = ("stormalert:local", "stormalert-pages:local")
_VARIABLE = re.compile(r"\$(?:(\$)|\{(\w+)(?::([-?])([^}]*))?\})")

Service = dict[str, Any]


@cache
def read(*paths: Path) -> dict[str, Any]:
    """These files, each over the ones before; without any, production's."""
    merged: Any = {}
    for path in paths or (FILE,):
        merged = _merged(merged, yaml.safe_load(path.read_text()))
    return cast(dict[str, Any], filled_in(merged, {"STORM_DOMAIN": DOMAIN}))


def services(*paths: Path) -> dict[str, Service]:
    return cast(dict[str, Service], read(*paths)["services"])


def _merged(below: Any, above: Any) -> Any:
    if isinstance(below, dict) and isinstance(above, dict):
        return below | {name: _merged(below.get(name), value) for name, value in above.items()}
    return [*below, *above] if isinstance(below, list) and isinstance(above, list) else above


def filled_in(found: Any, variables: Mapping[str, str]) -> Any:
    """With the values of ${NAME}, ${NAME:-default} and ${NAME:?problem}; $$ is a $. Raises KeyError."""
    if isinstance(found, dict):
        return {name: filled_in(value, variables) for name, value in found.items()}
    if isinstance(found, list):
        return [filled_in(value, variables) for value in found]
    return _VARIABLE.sub(lambda match: _value(match, variables), found) if isinstance(found, str) else found


def _value(match: re.Match[str], variables: Mapping[str, str]) -> str:
    dollar, name, kind, default = match.groups()
    if dollar:
        return "$"
    return variables.get(name) or default if kind == "-" else variables[name]


def secrets_of(service: Service) -> dict[str, str]:
    """Where in the container each of its secrets is, by the secret's name."""
    found = {}
    for secret in service.get("secrets", []):
        source, target = (secret["source"], secret["target"]) if isinstance(secret, dict) else (secret, secret)
        found[source] = target if target.startswith("/") else f"/run/secrets/{target}"
    return found


def binds_of(service: Service) -> dict[Path, str]:
    """Files of the project and where the container has them; named volumes are not among them."""
    parts = [volume.split(":") for volume in service.get("volumes", [])]
    return {ROOT / source: target for source, target, *_ in parts if source.startswith("./")}


def volumes_of(service: Service) -> list[str]:
    return [volume.split(":")[0] for volume in service.get("volumes", []) if not volume.startswith("./")]
