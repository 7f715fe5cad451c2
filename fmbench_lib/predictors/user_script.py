"""Protocol `user_script`: what passes between a load worker and a script of the user's own, `get_prediction(payload)`.

Both are in one process and no socket is between them. The worker writes down what it gave and got in the form of HTTP
all the same, so that everything behind it, from the spool to the records, is the same for scripts as for endpoints.
A script that says when its first token came is spooled as two reads, of which the first is a space.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from fmbench_lib.predictors.answer import Answer, count, decoded, json_object, message_of, text
from fmbench_lib.predictors.base import Completion, Event, HttpRequest, HttpResponse, Predictor, Sent

if TYPE_CHECKING:  # decoding processes need no schema
    from fmbench_lib.config.schema.experiment import Experiment

NOWHERE = "http://127.0.0.1:1/"
"""Stands where the engine wants an address; nothing is sent there."""

FIRST_TOKEN = b" "


@dataclass(frozen=True, slots=True)
class UserScriptPredictor:
    """Codec of the payloads that scripts are given and of the responses that they return."""

    parameters: Mapping[str, Any] = field(default_factory=dict)

    def encode(self, prompt: str, max_tokens: int | None = None) -> HttpRequest:
        parameters = dict(self.parameters)
        if max_tokens is not None:
            limit = next((key for key in ("max_new_tokens", "max_tokens") if key in parameters), "max_tokens")
            parameters[limit] = max_tokens
        body = json.dumps({"inputs": prompt, "parameters": parameters}).encode()
        return HttpRequest("POST", NOWHERE, (("content-type", "application/json"),), body)

    def decode(self, response: HttpResponse) -> Completion:
        """Only the first and the last of its times are known: between them lie no gaps that anybody has seen."""
        return replace(decoded(response, response.body.startswith(FIRST_TOKEN), _read), every_event=False)


def make(experiment: Experiment, url: str, model: str | None, stream: bool, sent: Sent) -> Predictor:
    """The codec of a script's payloads; address, keys and headers are the script's own business."""
    return UserScriptPredictor(sent.parameters)


def _read(response: HttpResponse, answer: Answer) -> None:
    answer.done = True
    found = json_object(response.body)
    if found.get("error") is not None:
        answer.fail("endpoint", message_of(found["error"]))
        return
    answer.prompt_tokens = count(found.get("prompt_tokens"))
    answer.completion_tokens = count(found.get("completion_tokens"))
    words = _generated_text(found.get("response_json"))
    if not words:
        answer.fail("empty", "the script returned no generated_text")
        return
    if answer.streamed:
        answer.events.append(Event(len(FIRST_TOKEN), ""))
    answer.say(words, len(response.body))


def _generated_text(response_json: Any) -> str:
    """The text of what scripts return: `{"generated_text": …}`, a list of such, or the text itself."""
    if isinstance(response_json, list) and response_json:
        response_json = response_json[0]
    if isinstance(response_json, dict):
        response_json = response_json.get("generated_text")
    if response_json is not None and not isinstance(response_json, str):
        raise ValueError("`generated_text` is no text")
    return text(response_json)
