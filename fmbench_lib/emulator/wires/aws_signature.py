"""Checks the signature of a request to AWS (Signature Version 4), implemented from the specification.

The credentials belong to the emulator and are constants here: whoever measures it signs with them.
"""

from __future__ import annotations

import hmac
import re
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import quote

from fmbench_lib.emulator.framing import Request
from fmbench_lib.emulator.wires.base import RefusedError

ACCESS_KEY = "AKIAEMULATEDXQ7WZK2V"
SECRET_KEY = "emulated/secret+key"
EXPIRED_TOKEN = "expired"
"""A session token with which every request is refused as expired."""
API_KEY = "emulated-bedrock-api-key"

_ALGORITHM = "AWS4-HMAC-SHA256"
_AUTHORIZATION = re.compile(
    rf"{_ALGORITHM} Credential=([^/,]+)/(\d{{8}})/([^/,]+)/([^/,]+)/aws4_request, ?"
    r"SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})"
)
_MAX_AGE_S = 300


def check_signature(request: Request, service: str, now: float) -> None:
    """Raise RefusedError unless the request is signed for this service with the emulator's keys, at about `now`."""
    authorization = request.headers.get("authorization")
    if authorization is None:
        raise _refused("MissingAuthenticationTokenException", "Missing Authentication Token")
    if service == "bedrock" and authorization == f"Bearer {API_KEY}":
        return
    match = _AUTHORIZATION.fullmatch(authorization)
    if match is None:
        raise _refused("IncompleteSignatureException", "Authorization header is not one of Signature Version 4.")
    key, date, region, scope_service, signed_headers, signature = match.groups()
    stamp = request.headers.get("x-amz-date", "")
    _check_token(request, key)
    _check_date(stamp, date, now)
    if scope_service != service:
        raise _refused("InvalidSignatureException", f"Credential should be scoped to correct service: '{service}'.")
    names = signed_headers.split(";")
    unsigned = [name for name in request.headers if name.startswith("x-amz-") and name not in names]
    if "host" not in names or unsigned or any(name not in request.headers for name in names):
        raise _refused("InvalidSignatureException", "'Host' and all 'X-Amz-' headers must be signed headers.")
    scope = f"{date}/{region}/{service}/aws4_request"
    canonical = sha256(_canonical_request(request, names).encode()).hexdigest()
    expected = _digest(_signing_key(date, region, service), "\n".join((_ALGORITHM, stamp, scope, canonical))).hex()
    if not hmac.compare_digest(expected, signature):
        raise _refused(
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
            "Access Key and signing method. Consult the service documentation for details.",
        )


def _check_token(request: Request, key: str) -> None:
    if key != ACCESS_KEY:
        raise _refused("UnrecognizedClientException", "The security token included in the request is invalid.")
    if request.headers.get("x-amz-security-token") == EXPIRED_TOKEN:
        raise _refused("ExpiredTokenException", "The security token included in the request is expired")


def _check_date(stamp: str, date: str, now: float) -> None:
    try:
        signed_at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise _refused("IncompleteSignatureException", "Date must be in ISO-8601 'basic format'.") from None
    if abs(signed_at.timestamp() - now) > _MAX_AGE_S or not stamp.startswith(date):
        raise _refused("InvalidSignatureException", f"Signature expired: {stamp} is not within 5 min. of now.")


def _canonical_request(request: Request, names: list[str]) -> str:
    headers = "".join(f"{name}:{' '.join(request.headers[name].split())}\n" for name in names)
    query = "&".join(sorted(request.query.split("&"))) if request.query else ""
    path = quote(request.path, safe="/~")  # escapes in the path are escaped again
    return "\n".join((request.method, path, query, headers, ";".join(names), sha256(request.body).hexdigest()))


def _signing_key(date: str, region: str, service: str) -> bytes:
    key = f"AWS4{SECRET_KEY}".encode()
    for part in (date, region, service, "aws4_request"):
        key = _digest(key, part)
    return key


def _digest(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


def _refused(name: str, message: str) -> RefusedError:
    return RefusedError(403, message, {"x-amzn-ErrorType": name})
