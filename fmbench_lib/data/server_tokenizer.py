"""Token counts by the server that is measured, where the model's own tokenizer is not at hand.

vLLM, SGLang, llama.cpp and TGI answer `POST /tokenize`, each in its own form. All but the text is left out: neither a
beginning-of-text token nor a chat template is counted.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from fmbench_lib.errors import TokenizerError

_CONNECTIONS = 8
"""Texts that are counted at the same time: enough to be quick, few enough that no server refuses them."""
_TIMEOUT_S = 30.0
_MOST_BYTES = 64 << 20
_PROBE = "How many tokens are these words?"
_PATH = "/tokenize"


@dataclass(frozen=True, slots=True)
class _Form:
    """How one kind of server is asked, and where its answer has the count."""

    stack: str
    body: Callable[[str, str | None], Mapping[str, Any]]


_FORMS = (
    _Form(
        "vLLM",
        lambda text, model: {"prompt": text, "add_special_tokens": False} | ({"model": model} if model else {}),
    ),
    _Form("llama.cpp", lambda text, _: {"content": text, "add_special": False, "parse_special": True}),
    _Form("TGI", lambda text, _: {"inputs": text, "add_special_tokens": False}),
)


class ServerTokenizer:
    """Counts tokens by asking a server; `name` says which. Made by `server_tokenizer`."""

    is_estimate = False

    def __init__(self, url: str, form: _Form, model: str | None, headers: Mapping[str, str]) -> None:
        self.name = f"{url} ({form.stack})"
        self._url, self._form, self._model, self._headers = url, form, model, headers

    def count(self, text: str) -> int:
        """The number of tokens of a text. Raises TokenizerError where the server does not say it."""
        return self._counted([text])[0]

    def count_many(self, texts: Sequence[str]) -> list[int]:
        """The number of tokens of each text, of a few at the same time."""
        workers = min(_CONNECTIONS, max(1, len(texts)))
        with ThreadPoolExecutor(workers) as threads:
            shares = list(threads.map(self._counted, [texts[first::workers] for first in range(workers)]))
        return [shares[number % workers][number // workers] for number in range(len(texts))]

    def _counted(self, texts: Sequence[str]) -> list[int]:
        """The counts of texts, one after the other over one connection."""
        connection = _connection(self._url)
        try:
            return [self._asked(connection, text) if text else 0 for text in texts]
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise TokenizerError(f"{self.name} does not count tokens: {error or type(error).__name__}") from error
        finally:
            connection.close()

    def _asked(self, connection: http.client.HTTPConnection, text: str) -> int:
        body = json.dumps(self._form.body(text, self._model)).encode()
        path = urlsplit(self._url).path
        connection.request("POST", path, body, {"content-type": "application/json", **self._headers})
        answer = connection.getresponse()
        content = answer.read(_MOST_BYTES)
        tokens = _count_in(json.loads(content)) if answer.status == 200 else None
        if tokens is None:
            shown = " ".join(content[:300].decode("utf-8", "replace").split())[:120]
            raise TokenizerError(f"{self.name} does not count tokens: HTTP {answer.status}, {shown or 'no content'}")
        return tokens


def server_tokenizer(address: str, model: str | None, headers: Mapping[str, str]) -> ServerTokenizer:
    """The tokenizer of the server that has `address`, in the form that it answers.

    Raises TokenizerError where it answers in none.
    """
    base = address.partition("/v1/")[0] if "/v1/" in address else _origin(address)
    said = []
    for form in _FORMS:
        made = ServerTokenizer(f"{base}{_PATH}", form, model, headers)
        try:
            if made.count(_PROBE) > 0:  # a server of another kind may find no text in the request
                return made
            said.append("0 tokens")
        except TokenizerError as error:
            said.append(str(error).partition("does not count tokens: ")[2])
            if isinstance(error.__cause__, OSError):
                break
    raise TokenizerError(f"{base}{_PATH} does not count tokens: {said[0]}")


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def _connection(url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    if parts.scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=_TIMEOUT_S, context=context)
    return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_TIMEOUT_S)


def _count_in(answer: Any) -> int | None:
    """The number of tokens in an answer: `count`, or the length of the list of tokens; None where there is neither."""
    if isinstance(answer, dict):
        count, tokens = answer.get("count"), answer.get("tokens")
        if isinstance(count, int) and not isinstance(count, bool):
            return count
        return len(tokens) if isinstance(tokens, list) else None
    return len(answer) if isinstance(answer, list) else None
