"""What an EC2 instance is told about itself by the instance metadata service, version 2 (a token first).

Elsewhere nothing listens at its address: it is asked once, and not waited for.
"""

from __future__ import annotations

import http.client
import json
import os
import re
from functools import lru_cache
from urllib.parse import urlsplit

ADDRESS = "http://169.254.169.254"
_PROFILE = re.compile(r"arn:(?P<partition>[\w-]+):iam::(?P<account>\d{12}):instance-profile/")
_PATIENCE_S = 1.0
_TOKEN_LIVES_S = "60"


def instance_region() -> str | None:
    """The region of the EC2 instance that this runs on; None elsewhere, and with `AWS_EC2_METADATA_DISABLED`."""
    return _metadata("placement/region")


def instance_role() -> str | None:
    """The ARN of the role of the EC2 instance that this runs on; None elsewhere, and where it has none.

    The service tells the role's name and the instance profile's ARN. A path before the role's name is not told, so the
    ARN has none.
    """
    try:
        profile = json.loads(_metadata("iam/info") or "{}").get("InstanceProfileArn")
    except (ValueError, AttributeError):
        return None
    known = _PROFILE.match(str(profile))
    names = (_metadata("iam/security-credentials/") or "").split() if known else []
    return f"arn:{known['partition']}:iam::{known['account']}:role/{names[0]}" if known and names else None


def _metadata(name: str) -> str | None:
    """What the service knows under a name; None elsewhere than on EC2, and where it is switched off."""
    if os.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        return None
    address = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or ADDRESS
    return _asked(address, f"/latest/meta-data/{name}")


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
