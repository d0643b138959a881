"""The rim of MongoDB's protocol: a server that keeps what it is sent and answers as it is told.

It shows what no stand-in for the driver can: what goes over the wire, and what becomes of a server's refusal.
"""

import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import bson

OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013
GREETINGS = ("hello", "ismaster", "isMaster")
GREETING = {
    "ok": 1,
    "isWritablePrimary": True,
    "ismaster": True,
    "helloOk": True,
    "minWireVersion": 0,
    "maxWireVersion": 25,
    "maxBsonObjectSize": 2**24,
    "maxMessageSizeBytes": 48_000_000,
    "maxWriteBatchSize": 100_000,
}

NOTHING = {"ok": 1, "cursor": {"id": 0, "ns": "storm.any", "firstBatch": []}}

Document = dict[str, Any]


class WireServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _WireConversation)
        self.commands: list[Document] = []
        # By the command's name; each other command succeeds.
        self.answers: dict[str, Document] = {
            "findAndModify": {"ok": 1, "value": {"version": 1, "ms": 1}},
            "update": {"ok": 1, "n": 1, "nModified": 0},
            "find": NOTHING,
            "aggregate": NOTHING,
            "distinct": {"ok": 1, "values": []},
        }

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def named(self, name: str) -> list[Document]:
        return [command for command in self.commands if next(iter(command)) == name]

    def answer(self, command: Document) -> Document:
        name = next(iter(command))
        if name in GREETINGS:
            return GREETING
        self.commands.append(command)
        return self.answers.get(name, {"ok": 1, "n": 1})


class _WireConversation(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while header := self.rfile.read(16):
            length, request, _, code = struct.unpack("<iiii", header)
            body = self.rfile.read(length - 16)
            answer = bson.encode(self.server.answer(_command(code, body)))  # type: ignore[attr-defined]
            if code == OP_QUERY:
                reply, code = struct.pack("<iqii", 8, 0, 0, 1) + answer, OP_REPLY
            else:
                reply = struct.pack("<iB", 0, 0) + answer
            self.wfile.write(struct.pack("<iiii", 16 + len(reply), 0, request, code) + reply)


def _command(code: int, body: bytes) -> Document:
    if code == OP_QUERY:
        # Flags, the collection's name, two numbers, then the document.
        return bson.decode(body[body.index(b"\0", 4) + 9 :])
    command: Document = {}
    position = 4
    while position < len(body):
        kind, size = body[position], struct.unpack_from("<i", body, position + 1)[0]
        section = body[position + 1 : position + 1 + size]
        if kind == 0:
            command = {**bson.decode(section), **command}
        else:
            end = section.index(b"\0", 4)
            command[section[4:end].decode()] = bson.decode_all(section[end + 1 :])
        position += 1 + size
    # The name of a command is its first field.
    named = next((key for key in command if key not in ("documents", "updates", "deletes")), "")
    return {named: command[named], **command}


@contextmanager
def serve() -> Iterator[WireServer]:
    with WireServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
