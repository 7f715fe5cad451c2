"""Endpoints without a protocol of their own: Ray Serve's text over GET, and two custom JSON formats.

`GET /serve/infer?sentence=…` and `GET /serve/text/…` answer with the prompt and the text in one; `POST /v2/completions`
with `completions`; `POST /custom/generate` with `result.parts`, streamed as server-sent events, and `POST
/custom/lines` as JSON lines.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote

from fmbench_lib.emulator.behaviour import Plan, Task
from fmbench_lib.emulator.framing import Request
from fmbench_lib.emulator.wires.base import Answer, Framing
from fmbench_lib.emulator.wires.messages import JsonObject, MessageAnswer, MessageWire, dump

_SENTENCE, _IN_PATH = "/serve/infer", "/serve/text/"


class TextAnswer(MessageAnswer):
    """The prompt followed by the answer, as plain text."""

    whole_type = "text/plain; charset=utf-8"

    def message_whole(self, reasoning: str, text: str, tokens: int) -> Any:
        """The prompt, reasoning and text joined."""
        return self.task.prompt + reasoning + text

    def error_body(self) -> bytes:
        """An error object as JSON, in spite of the content type."""
        return dump(self.failure())


class RayServe(MessageWire):
    """The prompt is in the query or at the end of the path."""

    def accepts(self, method: str, path: str) -> bool:
        """`GET /serve/infer` or `/serve/text/…`."""
        return method == "GET" and (path == _SENTENCE or path.startswith(_IN_PATH))

    def read_object(self, body: Any, request: Request) -> Task:
        """The prompt from the query or the path."""
        if request.path == _SENTENCE:
            (prompt,) = parse_qs(request.query, strict_parsing=True)["sentence"]
        else:
            prompt = unquote(request.path.removeprefix(_IN_PATH))
        return self.make_task(prompt, False, None)

    def answer(self, task: Task, plan: Plan, framing: Framing) -> Answer:
        """As plain text."""
        return TextAnswer(task, plan, framing)


class CompletionsAnswer(MessageAnswer):
    """`completions`, and the counts in `usage`."""

    def message_whole(self, reasoning: str, text: str, tokens: int) -> Any:
        """One completion with its usage."""
        counts = {"prompt_tokens": self.task.prompt_tokens, "completion_tokens": tokens}
        return {"completions": [{"text": reasoning + text}], "usage": counts}


class CustomAnswer(MessageAnswer):
    """Text in a list of parts, and counts under names that no other protocol uses."""

    def message(self, text: str, index: int, *, reasoning: bool) -> Any:
        """One part under `result.parts`."""
        return {"result": {"parts": [{"words": text}]}}

    def closing(self) -> Any | None:
        """No parts, with the counts."""
        return {"result": {"parts": []}, **self._end(self.plan.tokens)}

    def message_whole(self, reasoning: str, text: str, tokens: int) -> Any:
        """All parts, with the counts."""
        return {"result": {"parts": [{"words": part} for part in (reasoning, text) if part]}, **self._end(tokens)}

    def _end(self, tokens: int) -> JsonObject:
        return {"counts": {"read": self.task.prompt_tokens, "written": tokens}, "why": self.plan.finish_reason}

    def failure(self) -> Any:
        """The reason under `fault`."""
        return {"fault": {"reason": super().failure()["error"]}}


class CustomLinesAnswer(CustomAnswer):
    """The same as JSON lines."""

    stream_type = "application/x-ndjson"


_ANSWERS: dict[str, Callable[[Task, Plan, Framing], Answer]] = {
    "/v2/completions": CompletionsAnswer,
    "/custom/generate": CustomAnswer,
    "/custom/lines": CustomLinesAnswer,
}


class CustomRest(MessageWire):
    """Three paths of that kind."""

    def accepts(self, method: str, path: str) -> bool:
        """`POST` to one of the three paths."""
        return method == "POST" and path in _ANSWERS

    def read_object(self, body: Any, request: Request) -> Task:
        """`prompt`, or `question` and `settings`."""
        if request.path == "/v2/completions":
            return self.make_task(body["prompt"], False, body.get("max_tokens"), request.path, body.get("model_id"))
        settings = body.get("settings") or {}
        return self.make_task(body["question"], settings.get("stream"), settings.get("most"), request.path)

    def answer(self, task: Task, plan: Plan, framing: Framing) -> Answer:
        """In the form of the request's path."""
        return _ANSWERS[task.variant](task, plan, framing)
