"""The server's side of a port-forward: Kubernetes' channels in a WebSocket, led to a real port of this machine."""

from __future__ import annotations

import base64
import hashlib
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_BINARY, _CLOSE = 2, 8


def tunnel(handler: BaseHTTPRequestHandler, backend: tuple[str, int], port: int) -> None:
    """Answer the upgrade, name the port on its two channels, and carry bytes until either end is done."""
    accept = base64.b64encode(hashlib.sha1((handler.headers["Sec-WebSocket-Key"] + _GUID).encode()).digest()).decode()
    handler.send_response(101)
    for name, value in (
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", accept),
        ("Sec-WebSocket-Protocol", "v4.channel.k8s.io"),
    ):
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.flush()
    handler.close_connection = True
    writing = threading.Lock()

    def send(channel: int, data: bytes) -> None:
        body = bytes([channel]) + data
        length = bytes([len(body)]) if len(body) < 126 else b"\x7e" + struct.pack(">H", len(body))
        with writing:
            handler.wfile.write(bytes([0x80 | _BINARY]) + length + body)
            handler.wfile.flush()

    send(0, struct.pack("<H", port))
    send(1, struct.pack("<H", port))
    with socket.create_connection(backend) as far:

        def back() -> None:
            try:
                while data := far.recv(32_768):
                    send(0, data)
                handler.connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

        threading.Thread(target=back, daemon=True).start()
        while (frame := _frame(handler)) is not None:
            far.sendall(frame[1:])


def _frame(handler: BaseHTTPRequestHandler) -> bytes | None:
    """The next message of the client; None where it closes."""
    head = handler.rfile.read(2)
    if len(head) < 2 or head[0] & 0x0F == _CLOSE:
        return None
    length = head[1] & 0x7F
    if length == 126:
        (length,) = struct.unpack(">H", handler.rfile.read(2))
    elif length == 127:
        (length,) = struct.unpack(">Q", handler.rfile.read(8))
    mask = handler.rfile.read(4)
    data = handler.rfile.read(length)
    return bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))
