"""The request bodies of Bedrock's InvokeModel, one format per family of models."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from fmbench_lib.errors import InputError
from fmbench_lib.images import Image, chat_content, parts_of
from fmbench_lib.predictors.converse_messages import NOT_SENT, content_blocks

Body: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Family:
    """The request format of a family: the body of a prompt, and its names of the usual parameters.

    `section` is the part of the body that parameters go into, except those in `beside`. `says_stream` is true if the
    body of a streaming request must say so, although its address does.
    """

    body: Callable[[str], Body]
    names: Mapping[str, str] = field(default_factory=dict)
    section: str | None = None
    beside: tuple[str, ...] = ()
    says_stream: bool = False

    def request_body(self, prompt: str, parameters: Mapping[str, Any], max_tokens: int | None, *, stream: bool) -> Body:
        """The whole body; parameters with usual names get the family's names, others are sent as they are."""
        body = self.body(prompt) | ({"stream": True} if stream and self.says_stream else {})
        given = {self.names.get(key, key): value for key, value in parameters.items() if key not in NOT_SENT}
        if max_tokens is not None:
            given[self.names.get("max_tokens", "max_tokens")] = max_tokens
        if self.section is None:
            return body | _listed(given)
        outside = {key: given.pop(key) for key in self.beside if key in given}
        inside = _listed({**(given.pop(self.section, None) or {}), **given})
        return body | outside | ({self.section: inside} if inside else {})


def _listed(parameters: Body) -> Body:
    """Parameters with single stop sequences as lists, which all families require."""
    return {key: [value] if key in _STOPS and isinstance(value, str) else value for key, value in parameters.items()}


def family_of(model_id: str, model: str | None = None) -> Family:
    """The family of a model id, inference profile or ARN, else of the `model` behind it.

    :raises InputError: neither id names a known family.
    """
    for name in (model_id, model or ""):
        for pattern, family in _FAMILIES:
            if re.search(rf"(?:^|[./]){pattern}", name):
                return family
    raise InputError(
        f"the request format of {model_id} does not follow from its id: write protocol: bedrock, which has one format "
        "for all models, or give the model_id of the model behind it"
    )


def _anthropic(prompt: str) -> Body:
    blocks: list[Body] = [
        {"type": "text", "text": part}
        if isinstance(part, str)
        else {
            "type": "image",
            "source": {"type": "base64", "media_type": f"image/{part.format}", "data": part.base64},
        }
        for part in parts_of(prompt)
    ]
    return {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 512,  # required by the format
        "messages": [{"role": "user", "content": blocks}],
    }


def _nova(prompt: str) -> Body:
    return {"schemaVersion": "messages-v1", "messages": [{"role": "user", "content": content_blocks(prompt)}]}


def _chat(prompt: str) -> Body:
    return {"messages": [{"role": "user", "content": chat_content(prompt)}]}


def _meta(prompt: str) -> Body:
    parts = parts_of(prompt)
    images = [part.base64 for part in parts if isinstance(part, Image)]
    if not images:
        return {"prompt": prompt}
    return {"prompt": "".join(part if isinstance(part, str) else "<|image|>" for part in parts), "images": images}


def _instruct(prompt: str) -> Body:
    return {"prompt": prompt if "[INST]" in prompt else f"<s>[INST] {prompt} [/INST]"}


def _prompt(prompt: str) -> Body:
    return {"prompt": prompt}


def _input_text(prompt: str) -> Body:
    return {"inputText": prompt}


_STOPS = ("stop", "stop_sequences", "stopSequences")
_CAMEL = {"top_p": "topP", "top_k": "topK", "stop": "stopSequences", "stop_sequences": "stopSequences"}
_FAMILIES: tuple[tuple[str, Family], ...] = (
    (r"amazon\.titan-embed", Family(_input_text)),
    (r"amazon\.titan", Family(_input_text, {"max_tokens": "maxTokenCount", **_CAMEL}, "textGenerationConfig")),
    (
        r"amazon\.nova",
        Family(_nova, {"max_tokens": "maxTokens", **_CAMEL}, "inferenceConfig", ("system", "toolConfig")),
    ),
    (r"anthropic\.", Family(_anthropic, {"stop": "stop_sequences"})),
    (r"meta\.", Family(_meta, {"max_tokens": "max_gen_len"})),
    (r"mistral\.(?:mistral-7b|mixtral|mistral-small-2402|mistral-large-2402)", Family(_instruct)),
    (r"deepseek\.r1", Family(_prompt)),
    (r"(?:mistral|openai|deepseek|qwen)\.", Family(_chat)),
    (r"cohere\.embed", Family(lambda prompt: {"texts": [prompt], "input_type": "search_document"})),
    (
        r"cohere\.command-r",
        Family(lambda prompt: {"message": prompt}, {"top_p": "p", "top_k": "k", "stop": "stop_sequences"}),
    ),
    (r"cohere\.", Family(_prompt, {"top_p": "p", "top_k": "k", "stop": "stop_sequences"}, says_stream=True)),
    (r"ai21\.j2", Family(_prompt, {"max_tokens": "maxTokens", **_CAMEL})),
    (r"ai21\.", Family(_chat)),
)
"""By a part of the model's id, after the region of an inference profile or within an ARN."""
