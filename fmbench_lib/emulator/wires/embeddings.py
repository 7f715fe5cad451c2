"""OpenAI's `/v1/embeddings`: a vector for each text, no generated tokens."""

from __future__ import annotations

import json
from typing import Any

from fmbench_lib.emulator.behaviour import Plan, Task
from fmbench_lib.emulator.framing import Request, whole
from fmbench_lib.emulator.wires.base import Answer, Framing
from fmbench_lib.emulator.wires.messages import FAILED, JSON, MessageAnswer, MessageWire, dump
from fmbench_lib.emulator.wires.openai_answer import error_object
from fmbench_lib.emulator.wires.word_vectors import word_vector


class EmbeddingsAnswer(MessageAnswer):
    """The vectors, sent when the answer's only token would have been streamed."""

    def message_whole(self, reasoning: str, text: str, tokens: int) -> Any:
        """A list with the embeddings, and the usage."""
        texts = json.loads(self.task.variant) if tokens else []
        data = [{"object": "embedding", "index": at, "embedding": word_vector(one)} for at, one in enumerate(texts)]
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
        """`input`, a text or a list of them, as an answer of one token."""
        given = body["input"]
        texts = [given] if isinstance(given, str) else given
        if not isinstance(texts, list) or not texts or not all(isinstance(one, str) for one in texts):
            raise TypeError("`input` must be text or a list of texts")
        return self.make_task("\n".join(texts), False, 1, json.dumps(texts), body.get("model"))

    def answer(self, task: Task, plan: Plan, framing: Framing) -> Answer:
        """A vector for each text, by its words."""
        return EmbeddingsAnswer(task, plan, framing)

    def refusal(self, status: int, message: str, headers: dict[str, str]) -> bytes:
        """OpenAI's error object."""
        return whole(status, JSON, dump(error_object(message, status)), headers)
