"""An image registry of a test's own, with one image, that only a certain name and password may read."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.containers.podman import REGISTRY_PORT

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _image(size: int) -> tuple[bytes, dict[str, bytes]]:
    """The manifest of an image that holds a file of `size` bytes, and its parts by their digests."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo("content")
        entry.size = size
        archive.addfile(entry, io.BytesIO(bytes(size)))
    plain = packed.getvalue()
    layer = gzip.compress(plain, 1)
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [_digest(plain)]},
        }
    ).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": _part("application/vnd.oci.image.config.v1+json", config),
            "layers": [_part("application/vnd.oci.image.layer.v1.tar+gzip", layer)],
        }
    ).encode()
    return manifest, {_digest(part): part for part in (layer, config)}


def _part(kind: str, content: bytes) -> dict[str, object]:
    return {"mediaType": kind, "digest": _digest(content), "size": len(content)}


@contextlib.contextmanager
def registry(user: str, password: str, size: int = 1000) -> Iterator[None]:
    """Serve `serving:1` and nothing else, for as long as this is open."""
    manifest, parts = _image(size)
    known = {"/v2/": b"{}", "/v2/serving/manifests/1": manifest, f"/v2/serving/manifests/{_digest(manifest)}": manifest}
    known |= {f"/v2/serving/blobs/{digest}": part for digest, part in parts.items()}
    key = f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            content = known.get(self.path)
            if self.headers.get("Authorization") != key:
                self._answer(401, b'{"errors":[{"code":"UNAUTHORIZED"}]}', {"WWW-Authenticate": 'Basic realm="test"'})
            elif content is None:
                self._answer(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}', {})
            else:
                kind = _MANIFEST if content is manifest else "application/octet-stream"
                self._answer(200, content, {"Content-Type": kind, "Docker-Content-Digest": _digest(content)})

        do_HEAD = do_GET  # noqa: N815

        def _answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """A test's output is not the place."""

    with ThreadingHTTPServer(("127.0.0.1", REGISTRY_PORT), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
