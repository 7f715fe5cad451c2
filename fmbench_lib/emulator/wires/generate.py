"""Hugging Face TGI's `/generate` and `/generate_stream`, and DJL/LMI's `/invocations`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fmbench_lib.emulator.behaviour import Plan, Task
from fmbench_lib.emulator.framing import Request
from fmbench_lib.emulator.wires.base import Answer, Framing
from fmbench_lib.emulator.wires.messages import FAILED, JsonObject, MessageAnswer, MessageWire

_TGI = ("/generate", "/generate_stream")
_FINISH = {"stop": "eos_token", "length": "length"}


class TgiAnswer(MessageAnswer):
    """Server-sent events; the last token's message has the whole text and the details."""

    def message(self, text: str, index: int, *, reasoning: bool) -> Any:
        """A `token`, and in the last message the whole text and the details."""
        token = {"id": index, "text": text, "logprob": -0.5, "special": False}
        last = index == self.plan.events - 1
        return {
            "index": index + 1,
            "token": token,
            "generated_text": "".join(self.content.whole()) if last else None,
            "details": self._stream_details() if last else None,
        }

    def closing(self) -> Any | None:
        """Only a stream without content has its details in a message of their own."""
        if self.plan.events:
            return None
        token = {"id": 2, "text": "</s>", "logprob": 0.0, "special": True}
        return {"index": 1, "token": token, "generated_text": "", "details": self._stream_details()}

    def message_whole(self, reasoning: str, text: str, tokens: int) -> Any:
        """`generated_text`, and the details if requested."""
        details = {"details": {**self._details(tokens), "prefill": [], "tokens": []}} if self.task.include_usage else {}
        return {"generated_text": reasoning + text, **details}

    def _stream_details(self) -> JsonObject:
        counts = {"input_length": self.task.prompt_tokens} if self.plan.usage else {}
        return {**self._details(self.plan.tokens), **counts}

    def _details(self, tokens: int) -> JsonObject:
        counts = {"generated_tokens": tokens} if self.plan.usage else {}
        return {"finish_reason": _FINISH[self.plan.finish_reason], "seed": None, **counts}

    def failure(self) -> Any:
        """An error of type `generation`."""
        return {"error": FAILED, "error_type": "generation"}


class DjlAnswer(MessageAnswer):
    """JSON lines; the last token's line has the whole text and the details."""

    stream_type = "application/jsonlines"

    def message(self, text: str, index: int, *, reasoning: bool) -> Any:
        """A `token`, and in the last line the whole text and the details."""
        line: JsonObject = {"token": {"id": index, "text": text, "log_prob": -0.5}}
        if index == self.plan.events - 1:
            line |= {"generated_text": "".join(self.content.whole()), "details": self._details(self.plan.tokens)}
        return line

    def closing(self) -> Any | None:
        """Only a stream without content has its details in a line of their own."""
        if self.plan.events:
            return None
        return {"token": {"id": -1, "text": "", "log_prob": -1}, "generated_text": "", "details": self._details(0)}

    def message_whole(self, reasoning: str, text: str, tokens: int) -> Any:
        """`generated_text`, and the details if requested."""
        details = {"details": self._details(tokens)} if self.task.include_usage else {}
        return {"generated_text": reasoning + text, **details}

    def _details(self, tokens: int) -> JsonObject:
        details = {"finish_reason": _FINISH[self.plan.finish_reason], "inputs": self.task.prompt}
        return details | ({"generated_tokens": tokens} if self.plan.usage else {})

    def failure(self) -> Any:
        """A code and message, or in a stream a special token with finish reason `error`."""
        if not self.task.stream:
            return {"code": 424, "message": FAILED}
        token = {"id": -1, "text": "", "log_prob": -1, "special_token": True}
        details = {"finish_reason": "error", "generated_tokens": None, "inputs": None}
        return {"token": token, "generated_text": "", "details": details}


class Generate(MessageWire):
    """Both servers; `/generate` is TGI's unless the body asks for a stream."""

    def accepts(self, method: str, path: str) -> bool:
        """`POST` to `/generate`, `/generate_stream`, `/invocations` or `/predictions/…`."""
        return method == "POST" and (path in _TGI or path == "/invocations" or path.startswith("/predictions/"))

    def read_object(self, body: Any, request: Request) -> Task:
        """`inputs` and `parameters`; the path or `stream` decides on streaming."""
        parameters = body.get("parameters") or {}
        tgi = request.path in _TGI and "stream" not in body
        stream = request.path == "/generate_stream" if tgi else body.get("stream")
        task = self.make_task(body["inputs"], stream, parameters.get("max_new_tokens"), "tgi" if tgi else "djl")
        counted = task.stream or bool(parameters.get("details"))
        return replace(task, include_usage=counted)

    def answer(self, task: Task, plan: Plan, framing: Framing) -> Answer:
        """In TGI's or DJL's form, as the request was."""
        return (TgiAnswer if task.variant == "tgi" else DjlAnswer)(task, plan, framing)
