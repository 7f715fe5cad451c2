"""AWS as somebody meets it who asks who he is: STS, IAM's GetRole and S3's HeadBucket, over real HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

ACCOUNT = "123456789012"


@dataclass
class Identity:
    """Who the caller is, which buckets are his, and what was asked."""

    arn: str = f"arn:aws:sts::{ACCOUNT}:assumed-role/fmbench/SageMaker"
    role_path: str | None = "/"
    """The path of the caller's role; None: he may not read it."""
    buckets: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def answer(self, form: dict[str, str]) -> tuple[int, str]:
        action = form["Action"]
        self.asked.append(action)
        if action == "GetCallerIdentity":
            said = f"<Arn>{self.arn}</Arn><UserId>A:SageMaker</UserId><Account>{ACCOUNT}</Account>"
            return 200, f"<{action}Response><{action}Result>{said}</{action}Result></{action}Response>"
        if self.role_path is None:
            return 403, "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>"
        name = form["RoleName"]
        arn = f"<Arn>arn:aws:iam::{ACCOUNT}:role{self.role_path}{name}</Arn>"
        role = f"<Role><Path>{self.role_path}</Path><RoleName>{name}</RoleName>{arn}</Role>"
        return 200, f"<{action}Response><{action}Result>{role}</{action}Result></{action}Response>"


@contextmanager
def identity() -> Iterator[Identity]:
    """A caller that stands for somebody; `AWS_ENDPOINT_URL` is where he asks."""
    known = Identity()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._send(*known.answer({key: value[0] for key, value in parse_qs(body).items()}))

        def do_HEAD(self) -> None:
            bucket = urlsplit(self.path).path.strip("/") or self.headers["Host"].split(".")[0]
            known.asked.append("HeadBucket")
            ours = self.headers.get("x-amz-expected-bucket-owner") in (None, ACCOUNT)
            self._send(200 if bucket in known.buckets and ours else 404, "")

        def _send(self, status: int, text: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    known.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield known
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
