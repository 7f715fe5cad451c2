"""An AWS Price List API of this machine: answers GetProducts, and Bedrock's GetFoundationModel, as AWS does.

Products are JSON strings of the form that the service gives; filters compare one attribute each; one product a page.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import unquote

PRODUCTS = Path(__file__).parent / "data" / "products.json"
MODELS = {"amazon.nova-lite-v1:0": "Nova Lite", "amazon.nova-odd-v1:0": "Nova Odd"}


@dataclass
class PriceList:
    """What the API knows, what was asked of it, and what it refuses: by service code, an error's code and message."""

    products: list[dict[str, Any]] = field(default_factory=lambda: json.loads(PRODUCTS.read_text()))
    asked: list[dict[str, Any]] = field(default_factory=list)
    refusals: dict[str, tuple[str, str]] = field(default_factory=dict)
    broken: bool = False

    def answer(self, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.asked.append(request)
        if request["ServiceCode"] in self.refusals:
            code, message = self.refusals[request["ServiceCode"]]
            return 400, {"__type": code, "message": message}
        if self.broken:
            return 200, {"FormatVersion": "aws_v1", "PriceList": ['{"product": "unexpected"}']}
        found = [json.dumps(one) for one in self.products if self._matches(one, request)]
        page = int(request.get("NextToken", 0))
        more = {"NextToken": str(page + 1)} if page + 1 < len(found) else {}
        return 200, {"FormatVersion": "aws_v1", "PriceList": found[page : page + 1], **more}

    def _matches(self, product: dict[str, Any], request: dict[str, Any]) -> bool:
        attributes = product["product"]["attributes"]
        return product["serviceCode"] == request["ServiceCode"] and all(
            one["Type"] == "TERM_MATCH" and attributes.get(one["Field"]) == one["Value"] for one in request["Filters"]
        )


@contextmanager
def price_list() -> Iterator[PriceList]:
    """The API, with the environment of this process pointing to it."""
    known = PriceList()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.headers["X-Amz-Target"] == "AWSPriceListService.GetProducts"
            self._send(*known.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"])))))

        def do_GET(self) -> None:
            model = unquote(self.path.removeprefix("/foundation-models/"))
            if model in MODELS:
                self._send(200, {"modelDetails": {"modelId": model, "modelArn": "a", "modelName": MODELS[model]}})
            else:
                self._send(404, {"message": "Could not resolve the foundation model"}, "ResourceNotFoundException")

        def _send(self, status: int, content: dict[str, Any], error: str | None = None) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            if error is not None:
                self.send_header("x-amzn-ErrorType", error)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    environment = {
        "AWS_ENDPOINT_URL_PRICING": address,
        "AWS_ENDPOINT_URL_BEDROCK": address,
        "AWS_ACCESS_KEY_ID": "an-id",
        "AWS_SECRET_ACCESS_KEY": "a-key",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    try:
        with patch.dict(os.environ, environment):
            yield known
    finally:
        server.shutdown()
        server.server_close()
