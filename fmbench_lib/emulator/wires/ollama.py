"""Ollama's `/api/generate` and `/api/chat`."""

from __future__ import annotations

from typing import Any

from fmbench_lib.emulator.behaviour import Ask, Plan
from fmbench_lib.emulator.framing import Request
from fmbench_lib.emulator.wires.base import Answer, Framing
from fmbench_lib.emulator.wires.messages import MessageAnswer, MessageWire

_VARIANTS = {"/api/generate": "generate", "/api/chat": "chat"}
_CREATED = "2023-11-14T22:13:20Z"


class OllamaAnswer(MessageAnswer):
    """One message a line; the last one says that it is done, and counts."""

    stream_type = "application/x-ndjson"

    def message(self, text: str, index: int, *, reasoning: bool) -> Any:
        return self._made(text if reasoning else "", "" if reasoning else text, done=False)

    def closing(self) -> Any | None:
        return {**self._made("", "", done=True), **self._end(self.plan.tokens)}

    def message_whole(self, reasoning: str, text: str, tokens: int) -> Any:
        return {**self._made(reasoning, text, done=True), **self._end(tokens)}

    def _made(self, reasoning: str, text: str, *, done: bool) -> dict[str, Any]:
        thinking = {"thinking": reasoning} if reasoning else {}
        made: dict[str, Any] = {"model": self.ask.model, "created_at": _CREATED}
        if self.ask.variant == "chat":
            return {**made, "message": {"role": "assistant", "content": text, **thinking}, "done": done}
        return {**made, "response": text, **thinking, "done": done}

    def _end(self, tokens: int) -> dict[str, Any]:
        counts = {"prompt_eval_count": self.ask.prompt_tokens, "eval_count": tokens} if self.plan.usage else {}
        return {"done_reason": self.plan.finish_reason, "total_duration": 1, "load_duration": 1, **counts}


class Ollama(MessageWire):
    """Both request forms; without further word they stream."""

    def accepts(self, method: str, path: str) -> bool:
        return method == "POST" and path in _VARIANTS

    def read_object(self, asked: Any, request: Request) -> Ask:
        variant = _VARIANTS[request.path]
        prompt = asked["prompt"] if variant == "generate" else "\n".join(one["content"] for one in asked["messages"])
        maximum = (asked.get("options") or {}).get("num_predict")
        return self.ask(prompt, asked.get("stream", True), maximum, variant, asked.get("model"))

    def answer(self, ask: Ask, plan: Plan, framing: Framing) -> Answer:
        return OllamaAnswer(ask, plan, framing)
