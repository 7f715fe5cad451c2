"""Endpoints that have no protocol of their own: Ray Serve's text by GET, and two that answer JSON of their own make.

`GET /serve/infer?sentence=…` and `GET /serve/text/…` answer with the prompt and the text as one; `POST /v2/completions`
with `completions`; `POST /custom/generate` with `result.parts`, streamed as server-sent events, `POST /custom/lines` as
JSON lines.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote

from fmbench_lib.emulator.behaviour import Ask, Plan
from fmbench_lib.emulator.framing import Request
from fmbench_lib.emulator.wires.base import Answer, Framing
from fmbench_lib.emulator.wires.messages import MessageAnswer, MessageWire

_SENTENCE, _IN_PATH = "/serve/infer", "/serve/text/"


class TextAnswer(MessageAnswer):
    """The prompt and what was made of it, as plain text."""

    whole_type = "text/plain; charset=utf-8"

    def message_whole(self, reasoning: str, text: str, tokens: int) -> Any:
        return self.ask.prompt + reasoning + text

    def error_body(self) -> bytes:
        return b'{"error":"the emulated server failed, as it was asked to"}'


class RayServe(MessageWire):
    """The prompt in the query or at the end of the path."""

    def accepts(self, method: str, path: str) -> bool:
        return method == "GET" and (path == _SENTENCE or path.startswith(_IN_PATH))

    def read_object(self, asked: Any, request: Request) -> Ask:
        if request.path == _SENTENCE:
            (prompt,) = parse_qs(request.query, strict_parsing=True)["sentence"]
        else:
            prompt = unquote(request.path.removeprefix(_IN_PATH))
        return self.ask(prompt, False, None)

    def answer(self, ask: Ask, plan: Plan, framing: Framing) -> Answer:
        return TextAnswer(ask, plan, framing)


class CompletionsAnswer(MessageAnswer):
    """`completions`, and the counts in `usage`."""

    def message_whole(self, reasoning: str, text: str, tokens: int) -> Any:
        counts = {"prompt_tokens": self.ask.prompt_tokens, "completion_tokens": tokens}
        return {"completions": [{"text": reasoning + text}], "usage": counts}


class CustomAnswer(MessageAnswer):
    """Parts of a text in a list, and counts by other names than anybody else's."""

    def message(self, text: str, index: int, *, reasoning: bool) -> Any:
        return {"result": {"parts": [{"words": text}]}}

    def closing(self) -> Any | None:
        return {"result": {"parts": []}, **self._end(self.plan.tokens)}

    def message_whole(self, reasoning: str, text: str, tokens: int) -> Any:
        return {"result": {"parts": [{"words": one} for one in (reasoning, text) if one]}, **self._end(tokens)}

    def _end(self, tokens: int) -> dict[str, Any]:
        return {"counts": {"read": self.ask.prompt_tokens, "written": tokens}, "why": self.plan.finish_reason}

    def failure(self) -> Any:
        return {"fault": {"reason": super().failure()["error"]}}


class CustomLinesAnswer(CustomAnswer):
    """The same in lines."""

    stream_type = "application/x-ndjson"


_ANSWERS: dict[str, Callable[[Ask, Plan, Framing], Answer]] = {
    "/v2/completions": CompletionsAnswer,
    "/custom/generate": CustomAnswer,
    "/custom/lines": CustomLinesAnswer,
}


class CustomRest(MessageWire):
    """Three paths of that kind."""

    def accepts(self, method: str, path: str) -> bool:
        return method == "POST" and path in _ANSWERS

    def read_object(self, asked: Any, request: Request) -> Ask:
        if request.path == "/v2/completions":
            return self.ask(asked["prompt"], False, asked.get("max_tokens"), request.path, asked.get("model_id"))
        settings = asked.get("settings") or {}
        return self.ask(asked["question"], settings.get("stream"), settings.get("most"), request.path)

    def answer(self, ask: Ask, plan: Plan, framing: Framing) -> Answer:
        return _ANSWERS[ask.variant](ask, plan, framing)
