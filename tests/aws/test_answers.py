"""Something on the way that answers in place of AWS."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from fmbench_lib.aws.answers import part_of
from fmbench_lib.aws.calls import translated, unless_gone
from fmbench_lib.aws.session import Patience, client
from fmbench_lib.errors import DeployError, ForbiddenError

ONCE = Patience(connect_s=5, read_s=5, attempts=1)
PAGE = b"<!DOCTYPE html><html><body>Please log in</body></html>"
CALLS = {
    "sagemaker": lambda made: part_of(made.describe_endpoint(EndpointName="x"), "EndpointArn"),
    "sts": lambda made: part_of(made.get_caller_identity(), "Arn"),
    "s3": lambda made: part_of(made.list_objects_v2(Bucket="b"), "KeyCount"),
    "bedrock": lambda made: part_of(made.get_provisioned_model_throughput(provisionedModelId="x"), "status"),
    "pricing": lambda made: part_of(made.get_products(ServiceCode="x"), "PriceList"),
}


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIADISTINCTIVEFAKE1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")


@contextmanager
def answering(status: int, body: bytes, kind: str) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def __getattr__(self, name: str) -> Any:
            if name.startswith("do_"):
                return self._answer
            raise AttributeError(name)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def message(service: str, status: int, body: bytes, kind: str) -> DeployError:
    with answering(status, body, kind) as url:
        made: Any = client(service, "us-east-1", endpoint_url=url, patience=ONCE)
        with pytest.raises(DeployError) as caught, translated("looking"):
            unless_gone(lambda: CALLS[service](made))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600
    return caught.value


@pytest.mark.parametrize("service", CALLS)
@pytest.mark.parametrize("status", [200, 302, 403, 404, 407])
@pytest.mark.parametrize("kind", ["text/html", "application/json"])
def test_a_web_page_is_neither_an_answer_nor_not_found(service: str, status: int, kind: str) -> None:
    error = message(service, status, PAGE, kind)
    assert str(error).startswith(f"looking: a web page answers in place of AWS {service} (HTTP {status}); check the ")
    assert not isinstance(error, ForbiddenError)


@pytest.mark.parametrize("service", CALLS)
@pytest.mark.parametrize("body", [b"{}", b"not JSON, not XML", b"", b"<odd/>", b"[1]", b"null"])
def test_an_answer_in_another_form_is_one_line(service: str, body: bytes) -> None:
    said = str(message(service, 200, body, "text/plain"))
    assert "check the proxy" in said or (service == "s3" and "Internal Server Error" in said)  # botocore's own word


@pytest.mark.parametrize("service", CALLS)
@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_server_error_with_a_page_is_one_line(service: str, status: int) -> None:
    assert str(status) in str(message(service, status, PAGE, "text/html"))


def test_an_object_may_be_a_web_page() -> None:
    with answering(200, PAGE, "text/html") as url:
        s3 = client("s3", "us-east-1", endpoint_url=url, patience=ONCE)
        assert s3.get_object(Bucket="b", Key="report.html")["Body"].read() == PAGE
        assert s3.head_object(Bucket="b", Key="report.html")["ContentLength"] == len(PAGE)


def test_a_throttled_call_can_be_told_from_others() -> None:
    body = b'{"__type": "%s", "message": "x"}'
    assert message("sagemaker", 400, body % b"ThrottlingException", "application/json").throttled
    assert not message("sagemaker", 400, body % b"ValidationError", "application/json").throttled
