"""Addresses that servers of several protocols have: which one it is, by its answer to a request for one token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult

from fmbench_lib.config.platforms import DJL, LLAMA_CPP, OPENAI
from fmbench_lib.runs.http_questions import Refusal, answer_of_post

_PROMPT = "Hi"


@dataclass(frozen=True, slots=True)
class _Form:
    """A request of a protocol, and the protocols whose answers have one of these keys."""

    of: str
    body: Mapping[str, Any]
    protocols: Mapping[str, str]


_COMPLETION = {"prompt": _PROMPT, "max_tokens": 1, "n_predict": 1}
_FORMS = {
    # llama.cpp has its own protocol at /completions, others OpenAI's
    "/completions": (_Form("OpenAI's", _COMPLETION, {"choices": OPENAI, "content": LLAMA_CPP}),),
    # the path that SageMaker gives containers: DJL's and TGI's take `inputs` there, vLLM OpenAI's requests
    "/invocations": (
        _Form("DJL's", {"inputs": _PROMPT, "parameters": {"max_new_tokens": 1}}, {"generated_text": DJL}),
        _Form("OpenAI's", {"prompt": _PROMPT, "max_tokens": 1}, {"choices": OPENAI}),
    ),
}


@dataclass(frozen=True, slots=True)
class Told:
    """The protocol of an address; None where none of those tried is spoken, with what was answered to each."""

    protocol: str | None
    refusals: Mapping[str, Refusal]


def is_shared(path: str) -> bool:
    """Whether servers of several protocols have addresses that end like this one."""
    return _ending(path) is not None


def protocol_by_answer(parts: SplitResult, target: str, model: str | None, api_key: str | None) -> Told:
    """The protocol of an address that several have, found by asking for one token; `target` is its path and query.

    Raises InputError where the server does not answer.
    """
    refusals: dict[str, Refusal] = {}
    for form in _FORMS[_ending(parts.path) or ""]:
        body = {**form.body, **({"model": model} if model else {})}
        answer = answer_of_post(parts, target, body, api_key)
        if isinstance(answer, Refusal):
            refusals[form.of] = answer
            continue
        first = answer[0] if isinstance(answer, list) and answer else answer
        keys = first.keys() if isinstance(first, Mapping) else ()
        found = next((protocol for key, protocol in form.protocols.items() if key in keys), None)
        if found is not None:
            return Told(found, {})
        refusals[form.of] = Refusal(200, f"an answer without {' or '.join(form.protocols)}")
    return Told(None, refusals)


def _ending(path: str) -> str | None:
    if path.endswith(("/v1/completions", "/chat/completions")):
        return None
    return next((end for end in _FORMS if path.endswith(end)), None)
