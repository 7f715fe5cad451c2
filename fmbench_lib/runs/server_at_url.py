"""What serves at an address: its protocol, the whole address of its requests, and its model, as the server says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import SplitResult, unquote, urlunsplit

from fmbench_lib.config.platform_types import ModelList
from fmbench_lib.config.platforms import OPENAI, model_lists, protocol_facts, protocol_of_address
from fmbench_lib.config.spelling import nearest
from fmbench_lib.errors import InputError, ModelChoiceError
from fmbench_lib.runs.answer_forms import is_shared, protocol_by_answer
from fmbench_lib.runs.http_questions import Refusal, get_json, refusal_of_post
from fmbench_lib.runs.typed_address import WITH_PASSWORD, typed_address

_OF_REQUESTS = frozenset((
    "completion", "completions", "converse", "embed", "embeddings", "generate", "generate_stream", "infer",
    "invocations", "invoke", "messages", "predict", "rerank", "responses",
))  # fmt: skip
"""What the addresses of requests end with, whose servers list their models elsewhere."""
_AZURE_DEPLOYMENT = re.compile(r".*/openai/deployments/([^/]+)(/.+)?$")
"""Azure's addresses, which hold the name of a deployment in place of a model's; the operation may be lacking."""
_AWS_NAME = re.compile(r".*/(?:endpoints|model)/([^/]+)/[^/]+$")
"""The name of the endpoint or model in addresses whose requests are signed."""
_LISTS = model_lists()
_OPENAI_LIST = _LISTS[OPENAI]
_TRIED = tuple(models.path for models in _LISTS.values() if models.entries is not None)


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs already; `model` is None where it has no names for models."""

    address: str
    protocol: str
    model: str | None


Models: TypeAlias = list[str] | Refusal


def server_at(url: str, model: str | None = None, api_key: str | None = None) -> Server:
    """The server at an address or the base of one (`http://host:8000`, `http://host:8000/v1`).

    It is asked for its models: OpenAI's `/v1/models`, else Ollama's `/api/tags`, else TGI's `/info`. A whole address is
    taken as it is, and the server asked for its models only where `model` is not given.

    Raises InputError where nothing answers, or what answers is not known, or has several models and `model` is None.
    """
    parts = typed_address(url)
    deployment = _AZURE_DEPLOYMENT.match(parts.path)
    if deployment is not None and not deployment[2]:
        parts = parts._replace(path=f"{parts.path}/chat/completions")
    ask = _Asking(parts, url, model, api_key)
    last = parts.path.rpartition("/")[2]
    return ask.whole() if last in _OF_REQUESTS or protocol_of_address(parts.path) else ask.below(parts.path)


@dataclass(frozen=True, slots=True)
class _Asking:
    """Questions to the server of one address, as it was typed in `url`."""

    parts: SplitResult
    url: str
    model: str | None
    api_key: str | None

    def below(self, path: str) -> Server:
        """The server whose addresses begin with this one."""
        base = path.removesuffix("/chat").removesuffix("/models")
        root = re.sub(r"/(v1|api)$", "", base)
        refusals: list[tuple[str, Refusal]] = []
        for protocol, models, listing, requests in _forms(base, root):
            answer = _named(self._get(listing), models)
            if not isinstance(answer, Refusal):
                return Server(self._at(requests), protocol, self._chosen(answer))
            refusals.append((listing, answer))
        self._raise_telling([refusal for _, refusal in refusals])
        self._raise_without_list(root)
        self._raise_elsewhere(base)
        if path and self._is_taken(path):
            return Server(self._at(path), OPENAI, self.model)
        texts = {listing: answer.text for listing, answer in refusals}
        tried = " nor ".join(f"{end} ({texts[root + end]})" for end in _TRIED)
        example = self._at(_OPENAI_LIST.requests)
        raise InputError(f"{self.url} answers neither {tried}: write the whole address, such as {example}, and --model")

    def whole(self) -> Server:
        """The server of an address that is that of the requests."""
        path = self.parts.path
        protocol = protocol_of_address(path) or OPENAI
        if protocol_facts(protocol).signed_for is not None:
            return Server(self._at(path), protocol, self.model or unquote(_name_in(path, _AWS_NAME) or "") or None)
        ending = next((end for end in protocol_facts(protocol).paths if path.endswith(end)), "")
        root = path.removesuffix(ending) if ending else path.rpartition("/")[0]
        model = self.model or _name_in(path, _AZURE_DEPLOYMENT)
        if model is None:
            found = self._models_of(protocol, root)
            model = None if isinstance(found, Refusal) else self._only(found)
        told = self._by_answer(model) if is_shared(path) else None
        if told is None:
            self._is_taken(path, must=True)
        return Server(self._at(path), told or protocol, model)

    def _by_answer(self, model: str | None) -> str | None:
        """The protocol of an address that several have; None where its refusal says that it is none of requests."""
        told = protocol_by_answer(self.parts, self._target(self.parts.path), model, self.api_key)
        if told.protocol is not None or any(_is_of_path(refusal) for refusal in told.refusals.values()):
            return told.protocol
        self._raise_telling(list(told.refusals.values()))
        answers = " nor ".join(f"{of} requests ({refusal.text})" for of, refusal in told.refusals.items())
        raise InputError(
            f"{self.url} takes neither {answers}: write a config with its protocol (fmbench init --url {self.url})"
        )

    def _models_of(self, protocol: str, root: str) -> Models:
        """The models of the server that has this path below `root`, by its protocol's list or OpenAI's."""
        for models in dict.fromkeys((_LISTS.get(protocol, _OPENAI_LIST), _OPENAI_LIST)):
            for path in (models.path, models.path.removeprefix("/v1")) if root else (models.path,):
                answer = _named(self._get(f"{root}{path}"), models)
                if not isinstance(answer, Refusal):
                    return answer
        return answer

    def _is_taken(self, path: str, *, must: bool = False) -> bool:
        """Whether requests can be sent to this address, found by one without a prompt, which no server answers.

        With `must`, raises InputError where none can; a server may refuse a path, or a model, by the same status.
        """
        refusal = refusal_of_post(self.parts, self._target(path), {"model": self.model or ""}, self.api_key)
        if refusal is None or not _is_of_path(refusal):
            return True
        self._raise_telling([refusal])
        if must:
            base = self._at("/v1")
            raise InputError(
                f"{self.url} takes no requests ({refusal.text}): check the path, or write the base alone, {base}"
            )
        return False

    def _raise_telling(self, refusals: Sequence[Refusal]) -> None:
        """Raise InputError where what the server says tells what to do."""
        for refusal in refusals:
            if refusal.status in (401, 403):
                raise InputError(self._wants_key(refusal))
        for refusal in refusals:
            if refusal.location is not None:
                there = re.sub(r"(/v1)?/models$|/api/tags$", "", refusal.location)
                raise InputError(f"{self.url} redirects to {there}: write that with --url")
        for refusal in refusals:
            if refusal.status >= 500:
                wait = "wait until it is ready" if refusal.status == 503 else "look at its log"
                raise InputError(f"{self.url} fails ({refusal.text}): {wait}, and try again")
        if refusals and all(refusal.page is not None for refusal in refusals):
            raise InputError(
                f"{self.url} answers with {refusals[0].text}, and not as a model server: check host, port and path"
            )

    def _wants_key(self, refusal: Refusal) -> str:
        said = f"({refusal.text})"
        if self.api_key:
            return f"{self.url} refuses the key that --api-key-env names {said}: check it"
        if refusal.scheme == "basic":
            return f"{self.url} wants a user name and password {said}: {WITH_PASSWORD}"
        return f"{self.url} wants a key {said}: name the variable that holds it with --api-key-env"

    def _raise_without_list(self, root: str) -> None:
        """Raise InputError for Triton, whose addresses hold the name of a model, which it does not tell."""
        answer = self._get(f"{root}/v2")
        if isinstance(answer, dict) and "extensions" in answer:  # the metadata of KServe's protocol, version 2
            example = self._at(f"{root}/v2/models/MODEL/generate_stream")
            raise InputError(f"{self.url} is a Triton server: write the whole address with its model, {example}")

    def _raise_elsewhere(self, base: str) -> None:
        """Raise InputError where the server lists models at its root, and not below the path that was given."""
        if not base:
            return
        if not isinstance(_named(self._get(_OPENAI_LIST.path), _OPENAI_LIST), Refusal):
            raise InputError(f"{self.url} takes no requests, but the server does: write --url {self._at('/v1')}")

    def _get(self, path: str) -> Any:
        return get_json(self.parts, self._target(path), self.api_key)

    def _target(self, path: str) -> str:
        return f"{path}?{self.parts.query}" if self.parts.query else path

    def _at(self, path: str) -> str:
        return urlunsplit(self.parts._replace(path=path))

    def _chosen(self, models: Sequence[str]) -> str | None:
        model = self.model
        if model is None:
            return self._only(models)
        if models and model not in models:
            near = nearest(model, models)
            hint = f"did you mean {near}?" if near else f"it has {', '.join(models)}"
            raise ModelChoiceError(f"{self.url} has no model {model}; {hint}")
        return model

    def _only(self, models: Sequence[str]) -> str | None:
        """The server's model, None where it names none. Raises InputError where there are several."""
        if len(models) > 1:
            raise ModelChoiceError(f"{self.url} has several models: choose one with --model: {', '.join(models)}")
        return models[0] if models else None


def _name_in(path: str, pattern: re.Pattern[str]) -> str | None:
    found = pattern.match(path)
    return None if found is None else found[1]


def _forms(base: str, root: str) -> Iterator[tuple[str, ModelList, str, str]]:
    """Where servers may list their models: the protocol, its list, and where that and its requests are."""
    if base and base == root:  # another version than v1, or a gateway's own
        models = _OPENAI_LIST
        yield OPENAI, models, base + models.path.removeprefix("/v1"), base + models.requests.removeprefix("/v1")
    beginning = base.removeprefix(root)  # of the paths that are meant, `/v1` or `/api`
    for protocol, models in sorted(_LISTS.items(), key=lambda entry: not entry[1].path.startswith(beginning)):
        yield protocol, models, root + models.path, root + models.requests


def _is_of_path(refusal: Refusal) -> bool:
    """Whether an answer speaks against the address, and not against the request."""
    if refusal.status == 404 and refusal.page is None and "model" in refusal.words.casefold():
        return False
    return refusal.status in (401, 403, 404, 405) or 300 <= refusal.status < 400 or refusal.page is not None


def _named(answer: Any, models: ModelList) -> Models:
    """The models that an answer names, or why it names none."""
    if isinstance(answer, Refusal):
        return answer
    entries = [answer] if models.entries is None else answer.get(models.entries) if isinstance(answer, dict) else None
    if not isinstance(entries, list):
        return Refusal(200, f"an answer without {models.entries}")
    names = [str(entry[models.name]) for entry in entries if isinstance(entry, dict) and entry.get(models.name)]
    return names if names or models.entries is not None else Refusal(200, f"an answer without {models.name}")
