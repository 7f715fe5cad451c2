"""S3 for tests: moto's server in this process, which can go away and come back with all that it holds."""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.request import Request, urlopen

import boto3

ACCESS_KEY, SECRET_KEY = "AKIAFAKEKEYOFTHETESTS", "fake-secret-key-of-the-tests-0123456789"


class StandIn:
    """S3 at a fixed address; `seen` are the requests that came and when, as method and path with its query."""

    def __init__(self) -> None:
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            self._port: int = sock.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self.seen: list[tuple[float, str]] = []
        self._server: Any = None

    def start(self) -> None:
        from moto.server import ThreadedMotoServer

        logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
        self._server = ThreadedMotoServer("127.0.0.1", self._port, verbose=False)
        self._server.start()
        inner = self._server._server.app

        def noting(environ: dict[str, Any], start_response: Any) -> Any:
            query = f"?{environ['QUERY_STRING']}" if environ["QUERY_STRING"] else ""
            self.seen.append((time.time(), f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}{query}"))
            return inner(environ, start_response)

        self._server._server.app = noting

    @property
    def calls(self) -> list[str]:
        return [call for _, call in self.seen]

    @property
    def running(self) -> bool:
        return self._server is not None

    def stop(self) -> None:
        """Gone: connections are refused."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def reset(self) -> None:
        """Without buckets, as it was in the beginning."""
        with urlopen(Request(f"{self.url}/moto-api/reset", method="POST"), timeout=10):
            self.seen.clear()

    def client(self, service: str = "s3") -> Any:
        return boto3.client(
            service,
            region_name="us-east-1",
            endpoint_url=self.url,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
        )

    def objects(self, bucket: str, prefix: str = "") -> dict[str, bytes]:
        """The content of every object, by its key after `prefix`."""
        s3 = self.client()
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        keys = [one["Key"] for page in pages for one in page.get("Contents", [])]
        return {key.removeprefix(prefix): s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


@contextlib.contextmanager
def stand_in() -> Iterator[StandIn]:
    made = StandIn()
    made.start()
    made.reset()
    try:
        yield made
    finally:
        made.stop()


def point_to(made: StandIn, monkeypatch: Any, tmp_path: Any) -> None:
    """The environment of a user whose AWS is the stand-in."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", made.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("FMBENCH_CACHE", str(tmp_path / "cache"))
