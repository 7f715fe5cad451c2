"""llama.cpp's own `/completion`."""

from __future__ import annotations

from typing import Any

from fmbench_lib.emulator.behaviour import Ask, Plan
from fmbench_lib.emulator.framing import Request
from fmbench_lib.emulator.wires.base import Answer, Framing
from fmbench_lib.emulator.wires.messages import FAILED, MessageAnswer, MessageWire


class LlamaCppAnswer(MessageAnswer):
    """Server-sent events; the last one stops, and counts."""

    def message(self, text: str, index: int, *, reasoning: bool) -> Any:
        return {"index": 0, "content": text, "tokens": [], "stop": False, "id_slot": 0}

    def closing(self) -> Any | None:
        return self._end("", self.plan.tokens)

    def message_whole(self, reasoning: str, text: str, tokens: int) -> Any:
        return self._end(reasoning + text, tokens)

    def _end(self, text: str, tokens: int) -> dict[str, Any]:
        plan = self.plan
        counts = {"tokens_predicted": tokens, "tokens_evaluated": self.ask.prompt_tokens} if plan.usage else {}
        return {
            "index": 0,
            "content": text,
            "stop": True,
            "stop_type": "limit" if plan.finish_reason == "length" else "eos",
            **counts,
            "timings": {"cache_n": plan.cached_tokens, "predicted_n": tokens},
        }

    def failure(self) -> Any:
        return {"error": {"code": 500, "message": FAILED, "type": "server_error"}}


class LlamaCpp(MessageWire):
    """One path."""

    def accepts(self, method: str, path: str) -> bool:
        return method == "POST" and path == "/completion"

    def read_object(self, asked: Any, request: Request) -> Ask:
        return self.ask(asked["prompt"], asked.get("stream"), asked.get("n_predict"))

    def answer(self, ask: Ask, plan: Plan, framing: Framing) -> Answer:
        return LlamaCppAnswer(ask, plan, framing)
