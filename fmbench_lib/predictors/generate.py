"""The `generate` protocols of Hugging Face TGI and DJL/LMI: `inputs` and `parameters` in, text and details out.

Both answer with one JSON object or a stream of tokens: TGI as server-sent events (`/generate_stream`), DJL as JSON
lines (`stream: true` in the body). The details in the last message have the finish reason and the token counts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit, urlunsplit

from fmbench_lib.predictors.answer import Answer, decoded, is_streamed, json_request, pieces_of, read_messages, text
from fmbench_lib.predictors.base import Completion, HttpRequest, HttpResponse, Predictor, Sent
from fmbench_lib.predictors.server_errors import message_of
from fmbench_lib.predictors.usage import take_usage

if TYPE_CHECKING:  # decoding processes need no schema
    from fmbench_lib.config.schema.experiment import Experiment

Dialect = Literal["tgi", "djl"]


@dataclass(frozen=True, slots=True)
class GeneratePredictor:
    """Codec for one address of either server.

    TGI streams at `/generate_stream` and answers whole at `/generate`; either may be given. At any other address, and
    with DJL at all of them, the body says whether to stream.
    """

    url: str
    dialect: Dialect
    parameters: Mapping[str, Any] = field(default_factory=dict)
    stream: bool = True
    api_key: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def echoes_prompt(self) -> bool:
        """Whether answers may begin with the prompt: if requested, and always with some of DJL's handlers."""
        return self.dialect == "djl" or bool(self.parameters.get("return_full_text"))

    @property
    def raw_prompt(self) -> bool:
        """Whether the model gets the prompt as it is: always."""
        return True

    def encode(self, prompt: str, max_tokens: int | None = None) -> HttpRequest:
        """A POST of `inputs` and `parameters`."""
        # TGI's streams always end with token counts; whole answers have them only on request.
        details = {"details": True} if self.dialect == "tgi" and not self.stream else {}
        limit = {} if max_tokens is None else {"max_new_tokens": max_tokens}
        body: dict[str, Any] = {"inputs": prompt, "parameters": {**details, **self.parameters, **limit}}
        parts = urlsplit(self.url)
        base = parts.path.rstrip("/").removesuffix("_stream")
        url = self.url
        if self.dialect == "tgi" and base.endswith("/generate"):
            url = urlunsplit(parts._replace(path=base + ("_stream" if self.stream else "")))
        elif self.stream:
            body["stream"] = True
        accept = "text/event-stream" if self.stream and self.dialect == "tgi" else "application/json"
        return json_request(url, body, self.headers, self.api_key, accept)

    def decode(self, response: HttpResponse) -> Completion:
        """The generated text, whole or in tokens, with the counts in its details."""
        return decoded(response, is_streamed(response), read_generated)


def make_tgi(experiment: Experiment, url: str, model: str | None, stream: bool, sent: Sent) -> Predictor:
    """The codec of one TGI address."""
    return _make("tgi", url, stream, sent)


def make_djl(experiment: Experiment, url: str, model: str | None, stream: bool, sent: Sent) -> Predictor:
    """The codec of one DJL address."""
    return _make("djl", url, stream, sent)


def _make(dialect: Dialect, url: str, stream: bool, sent: Sent) -> Predictor:
    return GeneratePredictor(
        url,
        dialect,
        stream=stream,
        parameters=sent.parameters,
        api_key=sent.api_key,
        headers=sent.headers,
    )


def read_generated(response: HttpResponse, answer: Answer) -> None:
    """Add a whole or streamed answer in either dialect.

    :raises ValueError: it is in neither.
    """
    if answer.streamed:
        read_messages(response, answer, pieces_of(response), _take_token)
    elif response.complete:
        _take_whole(json.loads(response.body), len(response.body), answer)


def _take_token(message: Mapping[str, Any], end_offset: int, answer: Answer) -> None:
    """Add one message of a stream of tokens."""
    if failed(message, answer):
        return
    token = message.get("token")
    if isinstance(token, dict):
        if not (token.get("special") or token.get("special_token")):
            answer.add_text(token.get("text"), end_offset)
    elif "outputs" in message:  # LMI without continuous batching, whose stream has no last message
        outputs = message["outputs"]
        answer.add_text("".join(map(text, outputs)) if isinstance(outputs, list) else outputs, end_offset)
        answer.open_ended = True
    if not answer.events:  # it came in the last message alone
        answer.add_text(message.get("generated_text"), end_offset)
    take_details(message, answer)
    if message.get("generated_text") is not None or isinstance(message.get("details"), dict):
        answer.done = True


def _take_whole(message: Any, end_offset: int, answer: Answer) -> None:
    if isinstance(message, list) and len(message) == 1:  # LMI imitating TGI, and TGI on SageMaker
        (message,) = message
    if not isinstance(message, dict):
        raise ValueError("neither an object nor a list with one object")
    if failed(message, answer):
        return
    generated = message.get("generated_text")
    if not isinstance(generated, str):
        raise ValueError("generated_text is missing")
    answer.add_text(generated, end_offset)
    take_details(message, answer)


def failed(message: Mapping[str, Any], answer: Answer) -> bool:
    """Whether a message reports an error in one of these servers' formats; the error is recorded in the answer."""
    details = message.get("details")
    if "generated_text" not in message and isinstance(message.get("code"), int) and message["code"] >= 400:
        answer.fail("endpoint", message_of(message))  # DJL: {"code": 424, "message": "…"}
    elif not answer.failed_by(message) and isinstance(details, dict):
        answer.finish(details.get("finish_reason"))
    return answer.error is not None


def take_details(message: Mapping[str, Any], answer: Answer) -> None:
    """Add the token counts of a message's details or `usage`, if it has any."""
    take_usage(message.get("usage"), answer)
    details = message.get("details")
    if not isinstance(details, dict):
        return
    answer.add_counts(completion_tokens=details.get("generated_tokens"), prompt_tokens=details.get("input_length"))
    prefill = details.get("prefill")  # older versions list the prompt's tokens on request
    if answer.prompt_tokens is None and isinstance(prefill, list) and prefill:
        answer.prompt_tokens = len(prefill)
