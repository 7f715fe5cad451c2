"""Whether it was AWS that answered a call, and not a proxy on the way with a page of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_PAGES = (b"<!doctype html", b"<html")
_CBOR_MAP = 5  # major type of the first byte, RFC 8949
_SERVER_ERROR = 500  # botocore reads and repeats these, whoever they are from
_REMEDY = "check the proxy (HTTPS_PROXY, NO_PROXY), its login page and AWS_ENDPOINT_URL"


class NotAwsError(ConnectionError):
    """Something other than AWS answered a call."""


def check_answer(response_dict: Mapping[str, Any], operation_model: Any, **_: Any) -> None:
    """Raise NotAwsError for a web page, and for a success in no form of AWS's: botocore would take the one for "not
    found" and the other for an answer without content.

    Called with each answer before it is parsed. Objects in S3 may be web pages.
    """
    status, body = int(response_dict["status_code"]), response_dict.get("body")
    service = operation_model.service_model.service_name
    if status >= _SERVER_ERROR or (status < 300 and _is_file(operation_model)):
        return
    headers = {str(name).lower(): str(value) for name, value in response_dict["headers"].items()}
    data = body.strip() if isinstance(body, bytes) else b""
    if not data:  # an answer to HEAD may have any type
        return
    if headers.get("content-type", "").lower().startswith("text/html") or data[:64].lower().startswith(_PAGES):
        raise NotAwsError(f"a web page answers in place of AWS {service} (HTTP {status}); {_REMEDY}")
    if status < 300 and not _has_form(data, operation_model):
        raise NotAwsError(f"something other than AWS {service} answers (HTTP {status}); {_REMEDY}")


def part_of(answer: Mapping[str, Any], name: str) -> Any:
    """What AWS always puts into an answer; raises NotAwsError where it is missing."""
    if answer.get(name) is None:
        raise NotAwsError(f"the answer lacks {name}, so that it is not from AWS; {_REMEDY}")
    return answer[name]


def _is_file(operation_model: Any) -> bool:
    """Whether a success of the call is a file of the user's, or describes one in its headers."""
    shape = operation_model.output_shape
    return operation_model.name == "HeadObject" or (shape is not None and "payload" in shape.serialization)


def _has_form(data: bytes, operation_model: Any) -> bool:
    facts = operation_model.service_model.metadata
    spoken = facts.get("protocols") or [facts["protocol"]]
    return any(_is_of(data, operation_model.name, protocol) for protocol in spoken)


def _is_of(data: bytes, operation: str, protocol: str) -> bool:
    """Whether a success looks like one of this protocol; a service may speak several."""
    if protocol == "query":
        return f"<{operation}Response".encode() in data
    if "cbor" in protocol:
        return data[0] >> 5 == _CBOR_MAP
    if "json" not in protocol:
        return data.startswith(b"<")
    try:
        return isinstance(json.loads(data), dict)
    except ValueError:
        return False
