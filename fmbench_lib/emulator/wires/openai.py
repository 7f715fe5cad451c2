"""OpenAI's protocol: `/v1/chat/completions` and `/v1/completions`, streamed or not, `/v1/models` and `/tokenize`."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from fmbench_lib.emulator.behaviour import Behaviour, Plan, Task
from fmbench_lib.emulator.framing import Request, whole
from fmbench_lib.emulator.wires.base import Framing
from fmbench_lib.emulator.wires.messages import JSON, JsonObject, dump
from fmbench_lib.emulator.wires.openai_answer import CREATED, OpenAIAnswer, Template, error_object, render_template
from fmbench_lib.errors import ProtocolError

_VARIANTS = {"/v1/chat/completions": "chat", "/v1/completions": "text"}
_MAX_TEMPLATES = 32


@dataclass(slots=True)
class OpenAI:
    """The wire. It caches rendered templates by model."""

    behaviour: Behaviour
    _templates: dict[tuple[str, str, Framing], Template] = field(default_factory=dict)

    def accepts(self, method: str, path: str) -> bool:
        """`POST` to `/v1/chat/completions` or `/v1/completions`."""
        return method == "POST" and path in _VARIANTS

    def read(self, request: Request) -> Task:
        """The messages or the prompt, and the limits. Raises ProtocolError where the body is invalid."""
        try:
            body = json.loads(request.body)
            variant = _VARIANTS[request.path]
            prompt = _chat_text(body["messages"]) if variant == "chat" else _text(body["prompt"])
            maximum = body.get("max_completion_tokens") or body.get("max_tokens")
            return Task(
                prompt=prompt,
                prompt_tokens=len(prompt.split()),
                stream=bool(body.get("stream")),
                max_tokens=None if maximum is None else max(1, int(maximum)),
                model=str(body.get("model") or self.behaviour.model),
                include_usage=bool((body.get("stream_options") or {}).get("include_usage")),
                variant=variant,
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ProtocolError(f"not a request for {request.path}: {type(error).__name__}: {error}") from None

    def answer(self, task: Task, plan: Plan, framing: Framing) -> OpenAIAnswer:
        """An answer from the cached template of its variant, model and framing."""
        key = (task.variant, task.model, framing)
        template = self._templates.get(key)
        if template is None:
            if len(self._templates) >= _MAX_TEMPLATES:
                del self._templates[next(iter(self._templates))]
            template = self._templates[key] = render_template(task, plan.tokens_per_event, framing)
        return OpenAIAnswer(task, plan, framing, template)

    def refusal(self, status: int, message: str, headers: dict[str, str]) -> bytes:
        """OpenAI's error object."""
        return whole(status, JSON, dump(error_object(message, status)), headers)

    def other(self, request: Request) -> bytes | None:
        """The list of models at `/v1/models`, and vLLM's `/tokenize`."""
        if request.path == "/tokenize":
            return self._counted(request)
        if request.path != "/v1/models":
            return None
        model = {"id": self.behaviour.model, "object": "model", "created": CREATED, "owned_by": "fmbench"}
        return whole(200, JSON, dump({"object": "list", "data": [model]}))

    def _counted(self, request: Request) -> bytes:
        """The number of tokens of a text, which are its words here, as in every other count of the emulator."""
        try:
            body = json.loads(request.body)
            text = _chat_text(body["messages"]) if "messages" in body else _text(body["prompt"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return self.refusal(400, f"not a request for {request.path}: {type(error).__name__}: {error}", {})
        tokens = list(range(len(text.split())))
        return whole(200, JSON, dump({"count": len(tokens), "max_model_len": 131072, "tokens": tokens}))


def _chat_text(messages: list[JsonObject]) -> str:
    return "\n".join(_text(message["content"]) for message in messages)


def _text(content: Any) -> str:
    """The text of a prompt: a string, or a list of strings or OpenAI content parts, of which only text counts."""
    if isinstance(content, str):
        return content
    return "\n".join(part if isinstance(part, str) else str(part.get("text", "")) for part in content or ())
