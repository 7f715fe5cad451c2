"""What serves at an address: its protocol, the whole address of its requests, and its model, as the server says."""

from __future__ import annotations

import http.client
import json
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
    if not _is_base(parts):
        address = urlunsplit(parts)
        protocol = protocol_of_address(platform_facts(ENDPOINT), None, None, address)
        return Server(address, protocol, model or _only(_models_of_openai(parts, api_key), url))
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
    return parts


def _is_base(parts: SplitResult) -> bool:
    path = parts.path.rstrip("/")
    return (not path or path.endswith("/v1")) and not parts.query


def _models_path(parts: SplitResult) -> str:
    base = parts.path.partition("/v1")[0].rstrip("/")
    return f"{base}/v1/models"


def _models_of_openai(parts: SplitResult, api_key: str | None) -> _Models:
    answer = _get(parts, _models_path(parts), api_key)
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
        raise InputError(f"{where} does not answer: {error or type(error).__name__}; is the server running?") from None
    finally:
        connection.close()
    if answer.status != 200:
        return _Refusal(answer.status, f"HTTP {answer.status}")
    try:
        return json.loads(body)
    except ValueError:
        return _Refusal(200, "an answer that is not JSON")


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
