"""Whether the ports that are about to be listened at are free, said before anything is started."""

import errno
import socket
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Port:
    """`setting` is the name by which a person chooses another number."""

    number: int
    setting: str
    host: str


def problems(ports: Sequence[Port]) -> list[str]:
    """One sentence for each port that cannot be listened at or is wanted twice."""
    owners: dict[int, str] = {}
    found: list[str] = []
    for port in ports:
        if port.number in owners:
            found.append(f"port {port.number} is both {owners[port.number]} and {port.setting}: change one of them")
        elif problem := _problem(port):
            found.append(problem)
        owners.setdefault(port.number, port.setting)
    return found


def _problem(port: Port) -> str:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(port.host, port.number, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            # Connections of a server that has just ended do not make its port taken.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return f"port {port.number} is taken: free it, or set {port.setting} to another number, in .env for instance"
        return f"{port.setting}: cannot listen at {port.host}:{port.number}: {error.strerror}"
    return ""
