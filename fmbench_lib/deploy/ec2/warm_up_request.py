"""A request that prepares a container. Its answer is read as it arrives: a pull takes minutes, and Ctrl-C must work
meanwhile."""

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
_MAX_CHARACTERS = 300
_BLOCK_BYTES = 65536

_Events = queue.SimpleQueue[str | int | Exception]
"""Lines of the response, then its status, or the exception that ended it."""


def send(port: int, request: StartRequest, look: Callable[[str], None]) -> str | None:
    """Send it to a container's port and read the whole response. Returns why the container refuses, or None.

    `look` is called several times a second with the last line received, and may raise to give up. Raises OSError or
    http.client.HTTPException where there is no response.
    """
    connection = http.client.HTTPConnection(HOST, port, timeout=_SILENCE_S)
    connection.connect()
    sock: socket.socket = connection.sock
    events: _Events = queue.SimpleQueue()
    # In a thread, since a server may be silent for long, and a read that timed out cannot be resumed.
    thread = threading.Thread(target=_listen, args=(connection, request, events), name=request.meaning, daemon=True)
    thread.start()
    try:
        return _follow(events, look)
    finally:
        with contextlib.suppress(OSError):  # closed already
            sock.shutdown(socket.SHUT_RDWR)
        thread.join(_END_S)


def _follow(events: _Events, look: Callable[[str], None]) -> str | None:
    last, received, refusal = "no response yet", "", None
    while True:
        look(last)
        try:
            event = events.get(timeout=_LOOK_S)
        except queue.Empty:
            continue
        if isinstance(event, Exception):
            raise event
        if isinstance(event, int):
            return None if event == 200 and refusal is None else f"HTTP {event}: {refusal or received}"
        refusal = refusal or _error_in(event)
        received = f"{received} {event}".strip()[:_MAX_CHARACTERS]
        last = event[:_MAX_CHARACTERS] or last


def _listen(connection: http.client.HTTPConnection, request: StartRequest, events: _Events) -> None:
    try:
        with contextlib.closing(connection):
            body = json.dumps(request.body)
            connection.request("POST", request.path, body, {"Content-Type": "application/json"})
            with connection.getresponse() as response:
                for line in _lines(response):
                    events.put(line.decode(errors="replace").strip())
        events.put(response.status)
    except Exception as error:  # noqa: BLE001 - every error is passed to the waiting thread
        events.put(error)


def _lines(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """The lines as they arrive. With `readline`, a response cut off between two chunks would look complete."""
    rest = b""
    while data := response.read1(_BLOCK_BYTES):
        *whole, rest = (rest + data).split(b"\n")
        yield from whole
    if rest:
        yield rest


def _error_in(line: str) -> str | None:
    """The `error` of a JSON line; None where it has none or is not JSON."""
    try:
        message = json.loads(line)
    except ValueError:
        return None
    return str(message["error"]) if isinstance(message, dict) and message.get("error") else None
