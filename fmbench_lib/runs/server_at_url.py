"""What serves at an address: its protocol, the whole address of its requests, and its model, as the server says."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit, urlunsplit

from fmbench_lib.config.platforms import ENDPOINT, OLLAMA, OPENAI, completed_address, platform_facts, protocol_facts
from fmbench_lib.config.platforms import protocol_of as protocol_of_address
from fmbench_lib.config.spelling import nearest
from fmbench_lib.errors import InputError

_TIMEOUT_S = 10.0
_MOST_BYTES = 4_000_000
_OF_REQUESTS = frozenset((
    "chat", "completion", "completions", "converse", "embed", "embeddings", "generate", "generate_stream", "infer",
    "invocations", "invoke", "messages", "predict", "rerank", "responses",
))  # fmt: skip
"""What the addresses of requests end with, whose servers list their models elsewhere."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs already; `model` is None where it has no names for models."""

    address: str
    protocol: str
    model: str | None


def server_at(url: str, model: str | None = None, api_key: str | None = None) -> Server:
    """The server at an address or the base of one (`http://host:8000`, `http://host:8000/v1`).

    It is asked for its models: OpenAI's `/v1/models`, else Ollama's `/api/tags`. A whole address is taken as it is, and
    the server asked for its models only where `model` is not given.

    Raises InputError where nothing answers, or what answers is not known, or has several models and `model` is None.
    """
    parts = _parts(url)
    if parts.path.rstrip("/").endswith("/api"):
        return _ollama_at(parts, model, api_key, url)
    if not _is_base(parts):
        return _below(parts, model, api_key, url) or _whole(parts, model, api_key, url)
    said = {}
    for protocol, find in ((OPENAI, _models_of_openai), (OLLAMA, _models_of_ollama)):
        answer = find(parts, api_key)
        if isinstance(answer, _Refusal):
            said[protocol] = answer
            continue
        address = completed_address(urlunsplit(parts), protocol_facts(protocol))
        return Server(address, protocol, _chosen(model, answer, url))
    refusal = said[OPENAI]
    if refusal.status in (401, 403):
        raise InputError(f"{url} wants a key: name the variable that holds it with --api-key-env")
    tried = f"{_models_path(parts)} ({refusal.words}) nor /api/tags ({said[OLLAMA].words})"
    example = f"{parts.scheme}://{parts.netloc}/v1/chat/completions"
    raise InputError(f"{url} answers neither {tried}: write the whole address, such as {example}, and --model")


def _whole(parts: SplitResult, model: str | None, api_key: str | None, url: str) -> Server:
    """The server of an address that is that of the requests."""
    address = urlunsplit(parts)
    protocol = protocol_of_address(platform_facts(ENDPOINT), None, None, address)
    find = {OLLAMA: _models_of_ollama}.get(protocol, _models_of_openai)
    return Server(address, protocol, model or _only(find(parts, api_key), url))


def _below(parts: SplitResult, model: str | None, api_key: str | None, url: str) -> Server | None:
    """The server behind a prefix (`https://host/team/llm`) or another version than v1; None where it lists no models
    there."""
    if parts.query or parts.path.rpartition("/")[2] in _OF_REQUESTS:
        return None
    for version in ("", "/v1"):
        answer = _listed(_get(parts, f"{parts.path}{version}/models", api_key))
        if not isinstance(answer, _Refusal):
            address = urlunsplit(parts._replace(path=f"{parts.path}{version}/chat/completions"))
            return Server(address, OPENAI, _chosen(model, answer, url))
    return None


def _ollama_at(parts: SplitResult, model: str | None, api_key: str | None, url: str) -> Server:
    """The server at the base of Ollama's own addresses, `http://host:11434/api`."""
    answer = _models_of_ollama(parts, api_key)
    if isinstance(answer, _Refusal):
        raise InputError(f"{url} does not answer /api/tags as Ollama does ({answer.words}): write the whole address")
    address = completed_address(urlunsplit(parts._replace(path="")), protocol_facts(OLLAMA))
    return Server(address, OLLAMA, _chosen(model, answer, url))


@dataclass(frozen=True, slots=True)
class _Refusal:
    status: int | None
    words: str


_Models = list[str] | _Refusal


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        valid = False
    if not valid:
        raise InputError(f"--url {url} is not an address: write it as http://host:8000/v1")
    path = parts.path.rstrip("/")
    return parts._replace(path=path.removesuffix("/models") if path.endswith("/v1/models") else path)


def _is_base(parts: SplitResult) -> bool:
    return (not parts.path or parts.path.endswith("/v1")) and not parts.query


def _models_path(parts: SplitResult) -> str:
    base = parts.path.partition("/v1")[0].rstrip("/")
    return f"{base}/v1/models"


def _models_of_openai(parts: SplitResult, api_key: str | None) -> _Models:
    return _listed(_get(parts, _models_path(parts), api_key))


def _listed(answer: Any) -> _Models:
    """The models that OpenAI's list of them names."""
    if isinstance(answer, _Refusal):
        return answer
    entries = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(entries, list):
        return _Refusal(200, "an answer without data")
    return [str(entry["id"]) for entry in entries if isinstance(entry, dict) and entry.get("id")]


def _models_of_ollama(parts: SplitResult, api_key: str | None) -> _Models:
    answer = _get(parts, "/api/tags", api_key)
    if isinstance(answer, _Refusal):
        return answer
    entries = answer.get("models") if isinstance(answer, dict) else None
    if not isinstance(entries, list):
        return _Refusal(200, "an answer without models")
    return [str(entry["name"]) for entry in entries if isinstance(entry, dict) and entry.get("name")]


def _get(parts: SplitResult, path: str, api_key: str | None) -> Any:
    """The JSON at a path of the server, or why there is none. Raises InputError where the server does not answer."""
    where = f"{parts.scheme}://{parts.netloc}"
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=_TIMEOUT_S, context=context)
    else:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_TIMEOUT_S)
    headers = {"accept": "application/json"} | ({"authorization": f"Bearer {api_key}"} if api_key else {})
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = answer.read(_MOST_BYTES)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise InputError(f"{where} does not answer: {_why(error, parts)}") from None
    finally:
        connection.close()
    if answer.status != 200:
        return _Refusal(answer.status, f"HTTP {answer.status}")
    try:
        return json.loads(body)
    except ValueError:
        return _Refusal(200, "an answer that is not JSON")


def _why(error: Exception, parts: SplitResult) -> str:
    """Why a server did not answer, and what to do about it, on one line."""
    if isinstance(error, ssl.SSLCertVerificationError):
        remedy = "name the file of its authority, or its own certificate if it is self-signed, with SSL_CERT_FILE=FILE"
        return f"its certificate is not trusted ({error.verify_message}); {remedy}"
    if isinstance(error, ssl.SSLError):
        return f"it does not speak TLS ({error.reason or error}); write http://{parts.netloc}"
    if isinstance(error, ConnectionRefusedError):
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return f"nothing listens at port {port}, which may be the wrong one; is the server running?"
    if isinstance(error, socket.gaierror):
        return f"the host {parts.hostname} is not known ({error.strerror}); check its name"
    if isinstance(error, TimeoutError):
        plain = f" If it does not speak TLS, write http://{parts.netloc}" if parts.scheme == "https" else ""
        return f"no answer within {_TIMEOUT_S:.0f} s; is it reachable from here, and is the port right?{plain}"
    if parts.scheme == "http" and isinstance(error, http.client.HTTPException | ConnectionResetError):
        told = str(error) or type(error).__name__
        return f"it does not speak HTTP ({told}); if it speaks TLS, write https://{parts.netloc}"
    return f"{error or type(error).__name__}; is the server running?"


def _chosen(model: str | None, models: Sequence[str], url: str) -> str | None:
    if model is None:
        return _only(list(models), url)
    if models and model not in models:
        near = nearest(model, models)
        raise InputError(
            f"{url} has no model {model}; " + (f"did you mean {near}?" if near else f"it has {', '.join(models)}")
        )
    return model


def _only(models: _Models, url: str) -> str | None:
    """The server's model, None where it names none. Raises InputError where there are several."""
    if isinstance(models, _Refusal) or not models:
        return None
    if len(models) > 1:
        raise InputError(f"{url} has several models: choose one with --model: {', '.join(models)}")
    return models[0]
