"""Protocol `user_script`: what a load worker and a user script, `get_prediction(payload)`, exchange.

Both are in one process, without a socket between them. The worker still records the exchange in the form of HTTP, so
that everything after it, from the spool to the records, is the same for scripts as for endpoints. A script that reports
when its first token came is spooled as two reads, of which the first is a space.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from fmbench_lib.predictors.answer import Answer, decoded, json_object, text
from fmbench_lib.predictors.base import Completion, Event, HttpRequest, HttpResponse, Predictor, Sent
from fmbench_lib.predictors.server_errors import message_of

if TYPE_CHECKING:  # decoding processes need no schema
    from fmbench_lib.config.schema.experiment import Experiment

NOWHERE = "http://127.0.0.1:1/"
"""The address for the engine, which needs one; nothing is sent there."""

FIRST_TOKEN = b" "


@dataclass(frozen=True, slots=True)
class UserScriptPredictor:
    """Codec of the payloads that scripts receive and of the responses that they return."""

    parameters: Mapping[str, Any] = field(default_factory=dict)

    def encode(self, prompt: str, max_tokens: int | None = None) -> HttpRequest:
        """The payload of `get_prediction` in the form of a POST."""
        parameters = dict(self.parameters)
        if max_tokens is not None:
            limit = next((key for key in ("max_new_tokens", "max_tokens") if key in parameters), "max_tokens")
            parameters[limit] = max_tokens
        body = json.dumps({"inputs": prompt, "parameters": parameters}).encode()
        return HttpRequest("POST", NOWHERE, (("content-type", "application/json"),), body)

    def decode(self, response: HttpResponse) -> Completion:
        """The contents of a script's response; only its first and last times are known, so it has no ITL."""
        return replace(decoded(response, response.body.startswith(FIRST_TOKEN), _read), every_event=False)


def make(experiment: Experiment, url: str, model: str | None, stream: bool, sent: Sent) -> Predictor:
    """The codec of a script's payloads; the script knows address, keys and headers itself."""
    return UserScriptPredictor(sent.parameters)


def _read(response: HttpResponse, answer: Answer) -> None:
    answer.done = True
    message = json_object(response.body)
    if message.get("error") is not None:
        answer.fail("endpoint", message_of(message["error"]))
        return
    answer.add_counts(prompt_tokens=message.get("prompt_tokens"), completion_tokens=message.get("completion_tokens"))
    words = _generated_text(message.get("response_json"))
    if not words:
        answer.fail("empty", "the script returned no generated_text")
        return
    if answer.streamed:
        answer.events.append(Event(len(FIRST_TOKEN), ""))
    answer.add_text(words, len(response.body))


def _generated_text(response_json: Any) -> str:
    """The text in a script's response: `{"generated_text": …}`, a list of such objects, or the text itself."""
    if isinstance(response_json, list) and response_json:
        response_json = response_json[0]
    if isinstance(response_json, dict):
        response_json = response_json.get("generated_text")
    if response_json is not None and not isinstance(response_json, str):
        raise ValueError("`generated_text` is not text")
    return text(response_json)
