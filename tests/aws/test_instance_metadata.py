"""The region of an EC2 instance, asked of a service like EC2's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from fmbench_lib.aws import placeholders
from fmbench_lib.aws.instance_metadata import instance_region

TOKEN = "a-token"


class Service(BaseHTTPRequestHandler):
    """Version 2 of the service: a token is put first, and each request carries it."""

    asked: ClassVar[list[str]] = []

    def do_PUT(self) -> None:
        known = "X-aws-ec2-metadata-token-ttl-seconds" in self.headers and self.path == "/latest/api/token"
        self._answer(TOKEN if known else None)

    def do_GET(self) -> None:
        known = self.headers.get("X-aws-ec2-metadata-token") == TOKEN
        known = known and self.path == "/latest/meta-data/placement/region"
        self._answer("eu-west-3" if known else None)

    def _answer(self, text: str | None) -> None:
        self.asked.append(f"{self.command} {self.path}")
        body = (text or "").encode()
        self.send_response(401 if text is None else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


@pytest.fixture
def service(aws_environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The requests that a running service gets; no other source knows a region."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    Service.asked.clear()
    yield Service.asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_region_is_that_of_the_instance_where_nothing_nearer_says_one(service: list[str]) -> None:
    known = placeholders.standard_values(["{region}"], find_bucket=None)
    assert known.values == {"region": "eu-west-3"}
    assert "instance metadata" in known.found["region"].origin
    assert service == ["PUT /latest/api/token", "GET /latest/meta-data/placement/region"]


def test_nobody_is_asked_where_the_environment_says_it_or_no_config_needs_it(
    service: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert placeholders.standard_values(["no placeholder"], find_bucket=None).values == {}
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    assert placeholders.standard_values(["{region}"], find_bucket=None).values == {"region": "us-west-2"}
    assert service == []


def test_a_service_that_is_switched_off_or_absent_has_no_region(
    service: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:9")
    assert instance_region() is None
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert instance_region() is None
    assert service == []
