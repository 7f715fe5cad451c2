"""Rerank endpoints: Cohere's and Jina's `/v1/rerank` and `/v2/rerank`, and `/rerank` of Text Embeddings Inference."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from fmbench_lib.emulator.behaviour import Plan, Task
from fmbench_lib.emulator.framing import Request
from fmbench_lib.emulator.wires.base import Answer, Framing
from fmbench_lib.emulator.wires.messages import MessageAnswer, MessageWire
from fmbench_lib.emulator.wires.word_vectors import relevance


class RerankAnswer(MessageAnswer):
    """The documents by the share of the query's words that they have, the best first, at most `top_n`."""

    def message_whole(self, reasoning: str, text: str, tokens: int) -> Any:
        """`results` and the usage."""
        usage = {"prompt_tokens": self.task.prompt_tokens, "total_tokens": self.task.prompt_tokens}
        results = [{"index": index, "relevance_score": score} for index, score in self.ranked(tokens)]
        return {"id": self.plan.request_id, "results": results, "model": self.task.model, "usage": usage}

    def ranked(self, tokens: int) -> list[tuple[int, float]]:
        """Numbers and scores of the documents; none of an empty answer."""
        asked = json.loads(self.task.variant)
        scores = [(index, relevance(asked["query"], one)) for index, one in enumerate(asked["documents"])]
        scores.sort(key=lambda each: -each[1])
        return scores[: asked["top_n"]] if tokens else []


class TeiAnswer(RerankAnswer):
    """The same as a bare list of scores."""

    def message_whole(self, reasoning: str, text: str, tokens: int) -> Any:
        """A list of `index` and `score`."""
        return [{"index": index, "score": score} for index, score in self.ranked(tokens)]


class Rerank(MessageWire):
    """The wire of Cohere's and Jina's paths."""

    paths: ClassVar[tuple[str, ...]] = ("/v1/rerank", "/v2/rerank")
    documents: ClassVar[str] = "documents"
    answers: ClassVar[type[RerankAnswer]] = RerankAnswer

    def accepts(self, method: str, path: str) -> bool:
        """A POST to one of the paths."""
        return method == "POST" and path in self.paths

    def read_object(self, body: Any, request: Request) -> Task:
        """The query and its documents, as an answer of one token."""
        query, documents = body["query"], body[self.documents]
        if not isinstance(documents, list) or not documents or not all(isinstance(one, str) for one in documents):
            raise TypeError(f"`{self.documents}` must be a list of texts")
        asked = {"query": query, "documents": documents, "top_n": body.get("top_n")}
        return self.make_task("\n".join([query, *documents]), False, 1, json.dumps(asked), body.get("model"))

    def answer(self, task: Task, plan: Plan, framing: Framing) -> Answer:
        """The scores."""
        return self.answers(task, plan, framing)


class TeiRerank(Rerank):
    """The wire of Text Embeddings Inference."""

    paths = ("/rerank",)
    documents = "texts"
    answers = TeiAnswer
