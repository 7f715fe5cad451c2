"""OpenAI's `/v1/embeddings`: a vector for each text, and no tokens made."""

from __future__ import annotations

from typing import Any

from fmbench_lib.emulator.behaviour import Ask, Plan
from fmbench_lib.emulator.framing import Request, whole
from fmbench_lib.emulator.wires.base import Answer, Framing
from fmbench_lib.emulator.wires.messages import FAILED, JSON, MessageAnswer, MessageWire, dump
from fmbench_lib.emulator.wires.openai_answer import error_object

_DIMENSIONS = 8


class EmbeddingsAnswer(MessageAnswer):
    """It comes when its one token would have been streamed."""

    def message_whole(self, reasoning: str, text: str, tokens: int) -> Any:
        vector = [((self.plan.salt >> 8 * place) % 256 - 128) / 128 for place in range(_DIMENSIONS)]
        data = [{"object": "embedding", "index": 0, "embedding": vector}] if tokens else []
        usage = {"prompt_tokens": self.ask.prompt_tokens, "total_tokens": self.ask.prompt_tokens}
        return {"object": "list", "data": data, "model": self.ask.model, "usage": usage}

    def failure(self) -> Any:
        return error_object(FAILED, 500)


class Embeddings(MessageWire):
    """One path."""

    def accepts(self, method: str, path: str) -> bool:
        return method == "POST" and path == "/v1/embeddings"

    def read_object(self, asked: Any, request: Request) -> Ask:
        return self.ask(asked["input"], False, 1, "", asked.get("model"))

    def answer(self, ask: Ask, plan: Plan, framing: Framing) -> Answer:
        return EmbeddingsAnswer(ask, plan, framing)

    def refusal(self, status: int, message: str, headers: dict[str, str]) -> bytes:
        return whole(status, JSON, dump(error_object(message, status)), headers)
