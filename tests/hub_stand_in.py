"""A Hub for tests: data sets at one commit, answered as the Hugging Face Hub answers its client."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class HubStandIn:
    """Serves `datasets`: repositories, each with its files' contents by name; `seen` are the requests that came."""

    def __init__(self, datasets: dict[str, dict[str, bytes]]) -> None:
        self.datasets = datasets
        self.commit = COMMIT
        self.seen: list[str] = []
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                stand_in.answer(self)

            def do_HEAD(self) -> None:
                stand_in.answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Gone: connections are refused."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """One request: a repository's facts, or one of its files."""
        path = request.path.partition("?")[0]
        self.seen.append(f"{request.command} {path}")
        for repo, files in self.datasets.items():
            if path == f"/api/datasets/{repo}":
                facts = {"id": repo, "sha": self.commit, "siblings": [{"rfilename": name} for name in files]}
                return self._send(request, json.dumps({**facts, "cardData": {"license": "mit"}}).encode(), {})
            start = f"/datasets/{repo}/resolve/{self.commit}/"
            if path.startswith(start) and path.removeprefix(start) in files:
                content = files[path.removeprefix(start)]
                digest = hashlib.sha256(content).hexdigest()
                return self._send(request, content, {"etag": f'"{digest}"', "x-repo-commit": self.commit})
        request.send_response(404)
        request.send_header("x-error-code", "RepoNotFound")
        request.send_header("content-length", "0")
        request.end_headers()
        return None

    def _send(self, request: BaseHTTPRequestHandler, content: bytes, headers: dict[str, str]) -> None:
        request.send_response(200)
        for name, value in {"content-type": "application/json", **headers}.items():
            request.send_header(name, value)
        request.send_header("content-length", str(len(content)))
        request.end_headers()
        if request.command == "GET":
            request.wfile.write(content)
