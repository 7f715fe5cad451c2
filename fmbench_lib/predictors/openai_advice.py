"""What to write in a config where a server of the OpenAI protocol refuses a request, or an address is of another."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import urlsplit

from fmbench_lib.predictors.base import Completion

_LONGEST = 380
_ADVICE: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"stream_options"),
        "write stream_options: null in inference_spec.parameters, and tokens are counted with the tokenizer",
    ),
    (
        re.compile(r"max_completion_tokens"),
        "write max_completion_tokens in place of max_tokens in inference_parameters or inference_spec.parameters",
    ),
)
_OTHER_PROTOCOLS = {
    "/responses": "the Responses API",
    "/messages": "Anthropic's Messages API",
}


def with_advice(completion: Completion) -> Completion:
    """A refused request with the setting that mends it behind the server's words."""
    words = completion.error_message
    if completion.error_class != "http_4xx" or words is None:
        return completion
    for pattern, advice in _ADVICE:
        if pattern.search(words):
            return replace(completion, error_message=f"{words[:_LONGEST]} ({advice})")
    return completion


def wrong_path(url: str) -> str | None:
    """Why an address cannot be asked by this protocol, and which protocol can; None where it can, or may."""
    path = urlsplit(url).path.rstrip("/")
    for ending, name in _OTHER_PROTOCOLS.items():
        if path.endswith(ending):
            return (
                f"{path} is the path of {name}, which protocol openai does not speak: write protocol: rest with a "
                "template for it in inference_spec.rest, or the address of /v1/chat/completions"
            )
    return None
