"""llama.cpp's own `/completion`."""

from __future__ import annotations

from typing import Any

from fmbench_lib.emulator.behaviour import Plan, Task
from fmbench_lib.emulator.framing import Request
from fmbench_lib.emulator.wires.base import Answer, Framing
from fmbench_lib.emulator.wires.messages import FAILED, JsonObject, MessageAnswer, MessageWire


class LlamaCppAnswer(MessageAnswer):
    """Server-sent events; the last one has `stop` and the counts."""

    def message(self, text: str, index: int, *, reasoning: bool) -> Any:
        """`content` with `stop: false`."""
        return {"index": 0, "content": text, "tokens": [], "stop": False, "id_slot": 0}

    def closing(self) -> Any | None:
        """An empty `content` with `stop: true` and the counts."""
        return self._end("", self.plan.tokens)

    def message_whole(self, reasoning: str, text: str, tokens: int) -> Any:
        """`content` with the counts."""
        return self._end(reasoning + text, tokens)

    def _end(self, text: str, tokens: int) -> JsonObject:
        plan = self.plan
        counts = {"tokens_predicted": tokens, "tokens_evaluated": self.task.prompt_tokens} if plan.usage else {}
        return {
            "index": 0,
            "content": text,
            "stop": True,
            "stop_type": "limit" if plan.finish_reason == "length" else "eos",
            **counts,
            "timings": {"cache_n": plan.cached_tokens, "predicted_n": tokens},
        }

    def failure(self) -> Any:
        """An error of type `server_error`."""
        return {"error": {"code": 500, "message": FAILED, "type": "server_error"}}


class LlamaCpp(MessageWire):
    """The wire of one path."""

    def accepts(self, method: str, path: str) -> bool:
        """`POST /completion`."""
        return method == "POST" and path == "/completion"

    def read_object(self, body: Any, request: Request) -> Task:
        """`prompt`, `stream` and `n_predict`."""
        return self.make_task(body["prompt"], body.get("stream"), body.get("n_predict"))

    def answer(self, task: Task, plan: Plan, framing: Framing) -> Answer:
        """In llama.cpp's form."""
        return LlamaCppAnswer(task, plan, framing)
