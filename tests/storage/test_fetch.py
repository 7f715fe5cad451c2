"""Configs at web addresses, from servers that answer as they like."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fmbench_lib.errors import InputError
from fmbench_lib.storage.fetch import local_config

CONFIG = b"general: {name: mine}\n"


class Answers(http.server.BaseHTTPRequestHandler):
    """Answers by the path: a config, a redirect, more than a config, or nothing that is HTTP."""

    def do_GET(self) -> None:
        if self.path == "/noise":
            self.wfile.write(b"\x00\xff" * 100)
            return
        targets = {"/there": "/mine.yml", "/file": "file:///etc/passwd", "/ftp": "ftp://h/x", "/circle": "/circle"}
        if self.path in targets:
            self.send_response(302)
            self.send_header("location", targets[self.path])
            self.send_header("content-length", "0")
            self.end_headers()
            return
        body = CONFIG if self.path == "/mine.yml" else b"#" * 5_000_000
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("FMBENCH_CACHE", str(tmp_path))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("path", ["/mine.yml", "/there"])
def test_a_config_is_fetched_also_where_its_address_has_moved(address: str, path: str) -> None:
    assert Path(local_config(address + path)).read_bytes() == CONFIG


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/file", "url 'file:///etc/passwd' is not allowed"),
        ("/ftp", "leads to ftp://h/x, which is not fetched"),
        ("/circle", "cannot be fetched"),
        ("/great", "more than 4,194,304 bytes"),
        ("/noise", "cannot be fetched"),
    ],
)
def test_what_is_no_config_is_one_line(address: str, path: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as raised:
        local_config(address + path)
    assert str(raised.value).startswith(address)
