"""Three real nodes that are a cluster; a test may kill one and start it again."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest
import redis

from stormalert.redis.embedded import REDIS_CONF, valkey_command
from tests.conftest import free_port

SLOTS = 16_384
NODES = 3


class Node:
    def __init__(self, directory: Path) -> None:
        self.port, self.bus_port = free_port(), free_port()
        self.client = redis.Redis(port=self.port, decode_responses=True)
        self.is_up = False
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._directory.mkdir(exist_ok=True)
        # As docs/scaling.md says: without replicas, a node that is away must not stop the others.
        options = {
            "port": self.port, "cluster-port": self.bus_port, "bind": "127.0.0.1", "dir": self._directory,
            "cluster-enabled": "yes", "cluster-node-timeout": 2_000, "cluster-require-full-coverage": "no",
        }  # fmt: skip
        command = [*valkey_command(), str(REDIS_CONF)]
        command += [str(part) for name, value in options.items() for part in (f"--{name}", value)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_until(self._answers)
        self.is_up = True

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    def stop(self, how: signal.Signals) -> None:
        self.is_up = False
        if self._process:
            self._process.send_signal(how)
            self._process.wait(60)

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.ConnectionError:
            return False


class Cluster:
    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes

    @property
    def url(self) -> str:
        return f"redis+cluster://127.0.0.1:{self.nodes[0].port}"

    def join(self) -> None:
        for number, node in enumerate(self.nodes):
            first, last = SLOTS * number // NODES, SLOTS * (number + 1) // NODES - 1
            node.client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
            node.client.execute_command("CLUSTER", "MEET", "127.0.0.1", self.nodes[0].port, self.nodes[0].bus_port)
        self.wait_until_whole()

    def wait_until_whole(self) -> None:
        wait_until(lambda: all(self._is_whole(node) for node in self.nodes))

    def node_of(self, key: str) -> Node:
        slot = self.nodes[0].client.execute_command("CLUSTER", "KEYSLOT", key)
        return next(
            node for number, node in enumerate(self.nodes) if SLOTS * number // NODES <= slot < SLOTS * (number + 1) // NODES
        )

    def empty(self) -> None:
        for node in self.nodes:
            node.client.flushall()
            node.client.script_flush()

    def _is_whole(self, node: Node) -> bool:
        told = cast(dict[str, str], node.client.execute_command("CLUSTER INFO"))
        return (told["cluster_state"], told["cluster_known_nodes"]) == ("ok", str(NODES))


@pytest.fixture(scope="session")
def _nodes(processes: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    directory = tmp_path_factory.mktemp("cluster")
    nodes = [Node(directory / str(number)) for number in range(NODES)]
    cluster = Cluster(nodes)
    try:
        for node in nodes:
            node.start()
        cluster.join()
        yield cluster
    finally:
        for node in nodes:
            node.kill()
            node.client.close()


@pytest.fixture
def cluster(_nodes: Cluster) -> Cluster:
    """An empty one."""
    _nodes.empty()
    return _nodes


def wait_until(condition: Callable[[], object], within_s: float = 90) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"did not happen within {within_s} s"
        time.sleep(0.05)
