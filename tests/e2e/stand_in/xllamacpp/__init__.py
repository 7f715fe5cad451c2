"""Takes the place of llama.cpp's server where a test needs one that starts at once: put its folder on PYTHONPATH.

It streams `TOKENS` tokens, the first after `TTFT_S`, the others `ITL_S` apart, whatever the prompt.
"""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

TTFT_S, ITL_S, TOKENS = 0.1, 0.02, 5


class CommonParams(SimpleNamespace):
    """What the server program fills in."""

    def __init__(self) -> None:
        super().__init__(model=SimpleNamespace(path=""), cpuparams=SimpleNamespace(n_threads=1))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        time.sleep(TTFT_S)
        for number in range(TOKENS):
            self._event({"choices": [{"index": 0, "delta": {"content": f"w{number} "}}]})
            time.sleep(ITL_S)
        usage = {"prompt_tokens": 9, "completion_tokens": TOKENS}
        self._event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": usage})
        self._chunk(b"data: [DONE]\n\n")
        self._chunk(b"")

    def _event(self, content: object) -> None:
        self._chunk(f"data: {json.dumps(content)}\n\n".encode())

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


class Server:
    """Serves from its creation on."""

    def __init__(self, params: CommonParams) -> None:
        port = vars(params)["port"]
        self.listening_address = f"http://127.0.0.1:{port}"
        threading.Thread(target=_Listener(("127.0.0.1", port), _Handler).serve_forever, daemon=True).start()
