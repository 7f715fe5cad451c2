"""Ollama's `/api/generate` and `/api/chat`."""

from __future__ import annotations

from typing import Any

from fmbench_lib.emulator.behaviour import Plan, Task
from fmbench_lib.emulator.framing import Request, whole
from fmbench_lib.emulator.wires.base import Answer, Framing
from fmbench_lib.emulator.wires.messages import JSON, JsonObject, MessageAnswer, MessageWire, dump

_VARIANTS = {"/api/generate": "generate", "/api/chat": "chat"}
_TAGS = "/api/tags"
_CREATED = "2023-11-14T22:13:20Z"


class OllamaAnswer(MessageAnswer):
    """One message per line; the last one has `done` and the counts."""

    stream_type = "application/x-ndjson"

    def message(self, text: str, index: int, *, reasoning: bool) -> Any:
        """`response` or `message`, with `done: false`."""
        return self._message(text if reasoning else "", "" if reasoning else text, done=False)

    def closing(self) -> Any | None:
        """An empty message with `done: true` and the counts."""
        return {**self._message("", "", done=True), **self._end(self.plan.tokens)}

    def message_whole(self, reasoning: str, text: str, tokens: int) -> Any:
        """The whole text with `done: true` and the counts."""
        return {**self._message(reasoning, text, done=True), **self._end(tokens)}

    def _message(self, reasoning: str, text: str, *, done: bool) -> JsonObject:
        thinking = {"thinking": reasoning} if reasoning else {}
        message: JsonObject = {"model": self.task.model, "created_at": _CREATED}
        if self.task.variant == "chat":
            return {**message, "message": {"role": "assistant", "content": text, **thinking}, "done": done}
        return {**message, "response": text, **thinking, "done": done}

    def _end(self, tokens: int) -> JsonObject:
        counts = {"prompt_eval_count": self.task.prompt_tokens, "eval_count": tokens} if self.plan.usage else {}
        return {"done_reason": self.plan.finish_reason, "total_duration": 1, "load_duration": 1, **counts}


class Ollama(MessageWire):
    """Both request forms; they stream by default."""

    def accepts(self, method: str, path: str) -> bool:
        """`POST` to `/api/generate` or `/api/chat`."""
        return method == "POST" and path in _VARIANTS

    def read_object(self, body: Any, request: Request) -> Task:
        """`prompt` or `messages`, `stream` and `options.num_predict`."""
        variant = _VARIANTS[request.path]
        prompt = (
            body["prompt"] if variant == "generate" else "\n".join(message["content"] for message in body["messages"])
        )
        maximum = (body.get("options") or {}).get("num_predict")
        return self.make_task(prompt, body.get("stream", True), maximum, variant, body.get("model"))

    def answer(self, task: Task, plan: Plan, framing: Framing) -> Answer:
        """In the form of the request's path."""
        return OllamaAnswer(task, plan, framing)

    def other(self, request: Request) -> bytes | None:
        """The list of models at `/api/tags`."""
        if request.path != _TAGS:
            return None
        name = self.behaviour.model
        return whole(200, JSON, dump({"models": [{"name": name, "model": name, "modified_at": _CREATED}]}))
