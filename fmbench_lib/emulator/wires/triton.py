"""Triton's generate extension: `/v2/models/<name>/generate` and `/generate_stream`."""

from __future__ import annotations

import json
import re
from typing import Any

from fmbench_lib.emulator.behaviour import Plan, Task
from fmbench_lib.emulator.framing import Request
from fmbench_lib.emulator.wires.base import Answer, Framing
from fmbench_lib.emulator.wires.messages import JsonObject, MessageAnswer, MessageWire

_PATH = re.compile(r"/v2/models/([^/]+)(?:/versions/\d+)?/generate(_stream)?")
_COUNTED = "counted"


class TritonAnswer(MessageAnswer):
    """One message per response of the model, with token counts if requested."""

    def message(self, text: str, index: int, *, reasoning: bool) -> Any:
        """`text_output` of one event."""
        return self._message(text, self.content.tokens(index), last=index == self.plan.events - 1)

    def message_whole(self, reasoning: str, text: str, tokens: int) -> Any:
        """`text_output` with the whole text."""
        return self._message(reasoning + text, tokens, last=True)

    def _message(self, text: str, tokens: int, *, last: bool) -> JsonObject:
        message: JsonObject = {"model_name": self.task.model, "model_version": "1", "text_output": text}
        if self.task.variant == _COUNTED:
            counts = {"num_input_tokens": self.task.prompt_tokens, "num_output_tokens": tokens}
            message |= {**counts, "finish_reason": self.plan.finish_reason if last else "None"}
        return message


class Triton(MessageWire):
    """Parameters are beside the prompt, in `parameters`, or a JSON string in `sampling_parameters`."""

    def accepts(self, method: str, path: str) -> bool:
        """`POST /v2/models/<name>/generate` or `…/generate_stream`."""
        return method == "POST" and _PATH.fullmatch(path) is not None

    def read_object(self, body: Any, request: Request) -> Task:
        """`text_input` and the parameters; the path decides on streaming."""
        match = _PATH.fullmatch(request.path)
        assert match is not None
        sampling = json.loads(body.get("sampling_parameters") or "{}")
        parameters = {**body, **(body.get("parameters") or {}), **sampling}
        counted = _COUNTED if parameters.get("return_num_output_tokens") else ""
        maximum = parameters.get("max_tokens", parameters.get("max_new_tokens"))
        return self.make_task(body["text_input"], match[2], maximum, counted, match[1])

    def answer(self, task: Task, plan: Plan, framing: Framing) -> Answer:
        """In Triton's form."""
        return TritonAnswer(task, plan, framing)
