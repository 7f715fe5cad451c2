"""The readiness check of an endpoint: a real request, since a health page does not show whether the model answers."""

from __future__ import annotations

import http.client
import ssl
from urllib.parse import urlsplit

from fmbench_lib.aws.signing import CredentialSource, signed_headers
from fmbench_lib.errors import EndpointError
from fmbench_lib.predictors.base import HttpResponse, Predictor
from fmbench_lib.predictors.content_coding import unpacked

_PROMPT = "Say hello."


def probe(predictor: Predictor, ca_file: str | None = None, timeout: float = 60.0) -> None:
    """Send one request with the experiment's own codec and parameters and read the whole answer.

    `ca_file` holds the authorities that certificates are checked against, None for the system's. Raises EndpointError,
    with the address and the error, where the request fails.
    """
    request = predictor.encode(_PROMPT)
    parts = urlsplit(request.url)
    where = f"{parts.scheme}://{parts.netloc}"
    wrong_path: str | None = getattr(predictor, "wrong_path", None)
    if wrong_path is not None:
        raise EndpointError(f"{where}: {wrong_path}")
    try:
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise EndpointError(f"{where} is not an address: {error}") from error
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context(cafile=ca_file)
        connection = http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
    else:
        connection = http.client.HTTPConnection(host, port, timeout=timeout)
    headers = dict(request.headers)
    if request.signing is not None:
        keys = CredentialSource().current()
        headers = signed_headers(request.signing, keys, request.method, request.url, headers, request.body)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request(request.method, target, request.body, headers)
        answer = connection.getresponse()
        received = tuple((name.lower(), value) for name, value in answer.getheaders())
        response = unpacked(HttpResponse(answer.status, received, answer.read()))
    except ValueError as error:
        raise EndpointError(f"{where}: {error}") from error
    except (OSError, http.client.HTTPException) as error:
        raise EndpointError(f"{where} does not answer: {error or type(error).__name__}") from error
    finally:
        connection.close()
    completion = predictor.decode(response)
    if completion.error_class is not None:
        raise EndpointError(f"{where}: {completion.error_message} ({completion.error_class})")
