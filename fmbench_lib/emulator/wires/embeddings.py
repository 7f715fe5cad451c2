"""OpenAI's `/v1/embeddings`: one vector per text, no generated tokens."""

from __future__ import annotations

from typing import Any

from fmbench_lib.emulator.behaviour import Plan, Task
from fmbench_lib.emulator.framing import Request, whole
from fmbench_lib.emulator.wires.base import Answer, Framing
from fmbench_lib.emulator.wires.messages import FAILED, JSON, MessageAnswer, MessageWire, dump
from fmbench_lib.emulator.wires.openai_answer import error_object

_DIMENSIONS = 8


class EmbeddingsAnswer(MessageAnswer):
    """A vector, sent when the answer's only token would have been streamed."""

    def message_whole(self, reasoning: str, text: str, tokens: int) -> Any:
        """A list with one embedding, and the usage."""
        vector = [((self.plan.salt >> 8 * dimension) % 256 - 128) / 128 for dimension in range(_DIMENSIONS)]
        data = [{"object": "embedding", "index": 0, "embedding": vector}] if tokens else []
        usage = {"prompt_tokens": self.task.prompt_tokens, "total_tokens": self.task.prompt_tokens}
        return {"object": "list", "data": data, "model": self.task.model, "usage": usage}

    def failure(self) -> Any:
        """OpenAI's error object."""
        return error_object(FAILED, 500)


class Embeddings(MessageWire):
    """The wire of one path."""

    def accepts(self, method: str, path: str) -> bool:
        """`POST /v1/embeddings`."""
        return method == "POST" and path == "/v1/embeddings"

    def read_object(self, body: Any, request: Request) -> Task:
        """`input`, as an answer of one token."""
        return self.make_task(body["input"], False, 1, "", body.get("model"))

    def answer(self, task: Task, plan: Plan, framing: Framing) -> Answer:
        """A vector derived from the plan's salt."""
        return EmbeddingsAnswer(task, plan, framing)

    def refusal(self, status: int, message: str, headers: dict[str, str]) -> bytes:
        """OpenAI's error object."""
        return whole(status, JSON, dump(error_object(message, status)), headers)
