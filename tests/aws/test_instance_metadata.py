"""The region and role of an EC2 instance, asked of a service like EC2's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from fmbench_lib.aws import placeholders
from fmbench_lib.aws.instance_metadata import instance_region, instance_role
from fmbench_lib.errors import InputError

TOKEN = "a-token"


class Service(BaseHTTPRequestHandler):
    """Version 2 of the service: a token is put first, and each request carries it."""

    asked: ClassVar[list[str]] = []
    known: ClassVar[dict[str, str]] = {}

    def do_PUT(self) -> None:
        known = "X-aws-ec2-metadata-token-ttl-seconds" in self.headers and self.path == "/latest/api/token"
        self._answer(TOKEN if known else None)

    def do_GET(self) -> None:
        known = self.headers.get("X-aws-ec2-metadata-token") == TOKEN
        self._answer(self.known.get(self.path.removeprefix("/latest/meta-data/")) if known else None)

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
    Service.known = {"placement/region": "eu-west-3"}
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


PROFILE = "arn:aws-cn:iam::123456789012:instance-profile/any/bench"


def test_the_role_is_the_instances_where_no_credentials_tell_one(
    service: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Service.known |= {
        "iam/info": f'{{"Code": "Success", "InstanceProfileArn": "{PROFILE}"}}',
        "iam/security-credentials/": "BenchRole\n",
    }
    monkeypatch.setattr(placeholders, "_check_credentials", _none)
    known = placeholders.standard_values(["{role_arn}"], find_bucket=None)
    assert known.values == {"role_arn": "arn:aws-cn:iam::123456789012:role/BenchRole"}
    assert "its path is a guess" in known.found["role_arn"].origin


@pytest.mark.parametrize("info", ["", "not JSON", "[1]", '{"InstanceProfileArn": "none"}', f'"{PROFILE}"'])
def test_an_instance_without_a_role_has_none(service: list[str], monkeypatch: pytest.MonkeyPatch, info: str) -> None:
    Service.known |= {"iam/info": info} if info else {}
    assert instance_role() is None
    monkeypatch.setattr(placeholders, "_check_credentials", _none)
    known = placeholders.standard_values(["{role_arn}"], find_bucket=None)
    assert (known.values, known.missing) == ({}, {"role_arn": "no credentials"})


def _none() -> None:
    raise InputError("no credentials")
