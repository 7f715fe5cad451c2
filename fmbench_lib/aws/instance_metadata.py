"""What an EC2 instance is told about itself by the instance metadata service, version 2 (a token first).

Elsewhere nothing listens at its address: it is asked once, and not waited for.
"""

from __future__ import annotations

import http.client
import os
from functools import lru_cache
from urllib.parse import urlsplit

ADDRESS = "http://169.254.169.254"
_PATIENCE_S = 1.0
_TOKEN_LIVES_S = "60"


def instance_region() -> str | None:
    """The region of the EC2 instance that this runs on; None elsewhere, and with `AWS_EC2_METADATA_DISABLED`."""
    if os.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        return None
    return _asked(os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or ADDRESS, "/latest/meta-data/placement/region")


@lru_cache(maxsize=8)
def _asked(address: str, path: str) -> str | None:
    """The service's answer at a path; None where there is no such service."""
    parts = urlsplit(address)
    if parts.hostname is None or parts.scheme != "http":
        return None
    try:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=_PATIENCE_S)
        try:
            lives = {"X-aws-ec2-metadata-token-ttl-seconds": _TOKEN_LIVES_S}
            token = _answer(connection, "PUT", "/latest/api/token", lives)
            return None if token is None else _answer(connection, "GET", path, {"X-aws-ec2-metadata-token": token})
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError):
        return None


def _answer(connection: http.client.HTTPConnection, method: str, path: str, headers: dict[str, str]) -> str | None:
    connection.request(method, path, headers=headers)
    response = connection.getresponse()
    text = response.read(4096).decode("ascii").strip()
    return text if response.status == 200 and text else None
