"""Triton's generate extension: `/v2/models/<name>/generate` and `/generate_stream`."""

from __future__ import annotations

import json
import re
from typing import Any

from fmbench_lib.emulator.behaviour import Ask, Plan
from fmbench_lib.emulator.framing import Request
from fmbench_lib.emulator.wires.base import Answer, Framing
from fmbench_lib.emulator.wires.messages import MessageAnswer, MessageWire

_PATH = re.compile(r"/v2/models/([^/]+)(?:/versions/\d+)?/generate(_stream)?")
_COUNTED = "counted"


class TritonAnswer(MessageAnswer):
    """One message for each response of the model; it counts tokens where it was asked to."""

    def message(self, text: str, index: int, *, reasoning: bool) -> Any:
        return self._made(text, self.content.tokens(index), last=index == self.plan.events - 1)

    def message_whole(self, reasoning: str, text: str, tokens: int) -> Any:
        return self._made(reasoning + text, tokens, last=True)

    def _made(self, text: str, tokens: int, *, last: bool) -> dict[str, Any]:
        made: dict[str, Any] = {"model_name": self.ask.model, "model_version": "1", "text_output": text}
        if self.ask.variant == _COUNTED:
            counts = {"num_input_tokens": self.ask.prompt_tokens, "num_output_tokens": tokens}
            made |= {**counts, "finish_reason": self.plan.finish_reason if last else "None"}
        return made


class Triton(MessageWire):
    """Parameters stand beside the prompt, in `parameters`, or as JSON text in `sampling_parameters`."""

    def accepts(self, method: str, path: str) -> bool:
        return method == "POST" and _PATH.fullmatch(path) is not None

    def read_object(self, asked: Any, request: Request) -> Ask:
        found = _PATH.fullmatch(request.path)
        assert found is not None
        given = json.loads(asked.get("sampling_parameters") or "{}")
        parameters = {**asked, **(asked.get("parameters") or {}), **given}
        counted = _COUNTED if parameters.get("return_num_output_tokens") else ""
        maximum = parameters.get("max_tokens", parameters.get("max_new_tokens"))
        return self.ask(asked["text_input"], found[2], maximum, counted, found[1])

    def answer(self, ask: Ask, plan: Plan, framing: Framing) -> Answer:
        return TritonAnswer(ask, plan, framing)
