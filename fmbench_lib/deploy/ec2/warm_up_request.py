"""A request that prepares a container, read as it comes: a pull takes minutes, and a Ctrl-C is heard meanwhile."""

from __future__ import annotations

import contextlib
import http.client
import json
import queue
import socket
import threading
from collections.abc import Callable, Iterator

from fmbench_lib.deploy.ec2.container import StartRequest
from fmbench_lib.host.ports import HOST

_LOOK_S = 0.2
_SILENCE_S = 900.0
_END_S = 5.0
_KEPT_CHARACTERS = 300
_BLOCK_BYTES = 65536

_Heard = queue.SimpleQueue[str | int | Exception]
"""Lines of the answer, and at its end the status, or why there is none."""


def send(port: int, request: StartRequest, look: Callable[[str], None]) -> str | None:
    """Send it to a container's port and read all of the answer: why the container refuses, None where it does not.

    `look` is called several times a second with the last line that has come, and may raise to give it up. Raises
    OSError or http.client.HTTPException where there is no answer.
    """
    connection = http.client.HTTPConnection(HOST, port, timeout=_SILENCE_S)
    connection.connect()
    wire: socket.socket = connection.sock
    heard: _Heard = queue.SimpleQueue()
    # Beside, since a server may say nothing for long, and a read that has run out of time cannot be taken up again.
    thread = threading.Thread(target=_listen, args=(connection, request, heard), name=request.meaning, daemon=True)
    thread.start()
    try:
        return _follow(heard, look)
    finally:
        with contextlib.suppress(OSError):  # closed already
            wire.shutdown(socket.SHUT_RDWR)
        thread.join(_END_S)


def _follow(heard: _Heard, look: Callable[[str], None]) -> str | None:
    last, said, refusal = "nothing has come yet", "", None
    while True:
        look(last)
        try:
            event = heard.get(timeout=_LOOK_S)
        except queue.Empty:
            continue
        if isinstance(event, Exception):
            raise event
        if isinstance(event, int):
            return None if event == 200 and refusal is None else f"HTTP {event}: {refusal or said}"
        refusal = refusal or _error_in(event)
        said = f"{said} {event}".strip()[:_KEPT_CHARACTERS]
        last = event[:_KEPT_CHARACTERS] or last


def _listen(connection: http.client.HTTPConnection, request: StartRequest, heard: _Heard) -> None:
    try:
        with contextlib.closing(connection):
            body = json.dumps(request.body)
            connection.request("POST", request.path, body, {"Content-Type": "application/json"})
            with connection.getresponse() as answer:
                for line in _lines(answer):
                    heard.put(line.decode(errors="replace").strip())
        heard.put(answer.status)
    except Exception as error:  # noqa: BLE001 - whatever it is belongs to the thread that waits
        heard.put(error)


def _lines(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    """The lines as they come. Reading by `readline`, an answer that is cut between two chunks would look complete."""
    rest = b""
    while some := answer.read1(_BLOCK_BYTES):
        *whole, rest = (rest + some).split(b"\n")
        yield from whole
    if rest:
        yield rest


def _error_in(line: str) -> str | None:
    """What a JSON line says went wrong; None where it says nothing of the kind."""
    try:
        said = json.loads(line)
    except ValueError:
        return None
    return str(said["error"]) if isinstance(said, dict) and said.get("error") else None
