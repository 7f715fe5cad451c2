"""The body formats of InvokeModel, by model family: requests, stream objects and unstreamed answers."""

from __future__ import annotations

from typing import Any, ClassVar

from fmbench_lib.emulator.behaviour import Plan, Task

Body = dict[str, Any]


class InvokeForm:
    """One family's format. A stream consists of `first`, one `piece` per event, and `last`, which has at least one
    object."""

    streams: ClassVar[bool] = True

    def read(self, body: Body) -> tuple[str, Any]:
        """The prompt, and the limit on the answer's tokens."""
        return body["prompt"], body.get("max_tokens")

    def first(self, task: Task) -> list[Body]:
        """Objects before the first content."""
        return []

    def piece(self, text: str, index: int, task: Task) -> Body:
        """The object of a content event."""
        raise NotImplementedError

    def last(self, task: Task, plan: Plan) -> list[Body]:
        """Objects after the last content."""
        return [{}]

    def whole(self, text: str, tokens: int, task: Task, plan: Plan) -> Body:
        """The object of an unstreamed answer."""
        raise NotImplementedError


class Anthropic(InvokeForm):
    """Claude's Messages API."""

    def read(self, body: Body) -> tuple[str, Any]:
        """The last of `messages`, and `max_tokens`."""
        return _content_text(body["messages"][-1]["content"]), body["max_tokens"]

    def first(self, task: Task) -> list[Body]:
        """`message_start` and `content_block_start`."""
        usage = {"input_tokens": task.prompt_tokens, "output_tokens": 1}
        message = {"id": "msg_bdrk_1", "type": "message", "role": "assistant", "content": [], "usage": usage}
        block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        return [{"type": "message_start", "message": message}, block]

    def piece(self, text: str, index: int, task: Task) -> Body:
        """`content_block_delta`."""
        return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}

    def last(self, task: Task, plan: Plan) -> list[Body]:
        """`content_block_stop`, `message_delta` with the usage, `message_stop`."""
        delta = {"stop_reason": self._reason(plan), "stop_sequence": None}
        return [
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": delta, "usage": {"output_tokens": plan.tokens}},
            {"type": "message_stop"},
        ]

    def whole(self, text: str, tokens: int, task: Task, plan: Plan) -> Body:
        """A `message` with one text block."""
        return {
            "id": "msg_bdrk_1",
            "type": "message",
            "role": "assistant",
            "content": [{"type": "text", "text": text}],
            "stop_reason": self._reason(plan),
            "usage": {"input_tokens": task.prompt_tokens, "output_tokens": tokens},
        }

    @staticmethod
    def _reason(plan: Plan) -> str:
        return {"stop": "end_turn", "length": "max_tokens"}[plan.finish_reason]


class Nova(InvokeForm):
    """Amazon Nova: Converse's events, nested one level deeper."""

    def read(self, body: Body) -> tuple[str, Any]:
        """The last of `messages`, and `inferenceConfig.maxTokens`."""
        return _content_text(body["messages"][-1]["content"]), (body.get("inferenceConfig") or {}).get("maxTokens")

    def first(self, task: Task) -> list[Body]:
        """`messageStart`."""
        return [{"messageStart": {"role": "assistant"}}]

    def piece(self, text: str, index: int, task: Task) -> Body:
        """`contentBlockDelta`."""
        return {"contentBlockDelta": {"delta": {"text": text}, "contentBlockIndex": 0}}

    def last(self, task: Task, plan: Plan) -> list[Body]:
        """`contentBlockStop`, `messageStop`, `metadata` with the usage."""
        usage = {"inputTokens": task.prompt_tokens, "outputTokens": plan.tokens}
        return [
            {"contentBlockStop": {"contentBlockIndex": 0}},
            {"messageStop": {"stopReason": Anthropic._reason(plan)}},
            {"metadata": {"usage": usage, "metrics": {}, "trace": {}}},
        ]

    def whole(self, text: str, tokens: int, task: Task, plan: Plan) -> Body:
        """`output.message` with one text block."""
        return {
            "output": {"message": {"content": [{"text": text}], "role": "assistant"}},
            "stopReason": Anthropic._reason(plan),
            "usage": {"inputTokens": task.prompt_tokens, "outputTokens": tokens},
        }


class Llama(InvokeForm):
    """Meta's models."""

    def read(self, body: Body) -> tuple[str, Any]:
        """`prompt` and `max_gen_len`."""
        return body["prompt"], body.get("max_gen_len")

    def piece(self, text: str, index: int, task: Task) -> Body:
        """`generation`; the first one has the prompt's token count."""
        prompt_tokens = task.prompt_tokens if index == 0 else None
        counts = {"prompt_token_count": prompt_tokens, "generation_token_count": index + 1}
        return {"generation": text, **counts, "stop_reason": None}

    def last(self, task: Task, plan: Plan) -> list[Body]:
        """An empty `generation` with the total token count and the stop reason."""
        counts = {"prompt_token_count": None, "generation_token_count": plan.tokens}
        return [{"generation": "", **counts, "stop_reason": plan.finish_reason}]

    def whole(self, text: str, tokens: int, task: Task, plan: Plan) -> Body:
        """`generation` with both token counts."""
        counts = {"prompt_token_count": task.prompt_tokens, "generation_token_count": tokens}
        return {"generation": text, **counts, "stop_reason": plan.finish_reason}


class Mistral(InvokeForm):
    """Mistral's instruct models."""

    def piece(self, text: str, index: int, task: Task) -> Body:
        """One entry of `outputs`."""
        return {"outputs": [{"text": text, "stop_reason": None}]}

    def last(self, task: Task, plan: Plan) -> list[Body]:
        """An empty output with the stop reason."""
        return [{"outputs": [{"text": "", "stop_reason": plan.finish_reason}]}]

    def whole(self, text: str, tokens: int, task: Task, plan: Plan) -> Body:
        """One entry of `outputs` with the stop reason."""
        return {"outputs": [{"text": text, "stop_reason": plan.finish_reason}]}


class DeepSeek(InvokeForm):
    """DeepSeek-R1."""

    def piece(self, text: str, index: int, task: Task) -> Body:
        """One entry of `choices`."""
        return {"choices": [{"index": 0, "text": text, "stop_reason": None}]}

    def last(self, task: Task, plan: Plan) -> list[Body]:
        """An empty choice with the stop reason."""
        return [{"choices": [{"index": 0, "text": "", "stop_reason": plan.finish_reason}]}]

    def whole(self, text: str, tokens: int, task: Task, plan: Plan) -> Body:
        """One entry of `choices` with the stop reason."""
        return {"choices": [{"index": 0, "text": text, "stop_reason": plan.finish_reason}]}


class Chat(InvokeForm):
    """Messages and choices: later Mistral models, AI21's Jamba."""

    def read(self, body: Body) -> tuple[str, Any]:
        """The last of `messages`, and `max_tokens`."""
        return _content_text(body["messages"][-1]["content"]), body.get("max_tokens")

    def piece(self, text: str, index: int, task: Task) -> Body:
        """A choice with a `delta`."""
        return {"id": "chat-1", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}

    def last(self, task: Task, plan: Plan) -> list[Body]:
        """A choice with an empty `delta` and the finish reason."""
        return [{"id": "chat-1", "choices": [{"index": 0, "delta": {}, "finish_reason": plan.finish_reason}]}]

    def whole(self, text: str, tokens: int, task: Task, plan: Plan) -> Body:
        """A choice with a `message`, and the usage."""
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": plan.finish_reason}
        usage = {"prompt_tokens": task.prompt_tokens, "completion_tokens": tokens}
        return {"id": "chat-1", "choices": [choice], "usage": usage}


class Command(InvokeForm):
    """Cohere's Command."""

    def piece(self, text: str, index: int, task: Task) -> Body:
        """`text` of an unfinished answer."""
        return {"text": text, "is_finished": False, "index": 0}

    def last(self, task: Task, plan: Plan) -> list[Body]:
        """`is_finished` with the finish reason."""
        return [{"is_finished": True, "finish_reason": self._reason(plan), "index": 0}]

    def whole(self, text: str, tokens: int, task: Task, plan: Plan) -> Body:
        """One entry of `generations`."""
        generation = {"id": "1", "text": text, "finish_reason": self._reason(plan)}
        return {"id": "1", "generations": [generation], "prompt": task.prompt}

    @staticmethod
    def _reason(plan: Plan) -> str:
        return {"stop": "COMPLETE", "length": "MAX_TOKENS"}[plan.finish_reason]


class CommandR(Command):
    """Cohere's Command R, which repeats the whole text at the end of a stream."""

    def read(self, body: Body) -> tuple[str, Any]:
        """`message` and `max_tokens`."""
        return body["message"], body.get("max_tokens")

    def piece(self, text: str, index: int, task: Task) -> Body:
        """`text-generation`."""
        return {"event_type": "text-generation", "is_finished": False, "text": text}

    def last(self, task: Task, plan: Plan) -> list[Body]:
        """`stream-end` with the whole text again."""
        reason = self._reason(plan)
        response = {"text": "the whole again", "finish_reason": reason}
        end = {"event_type": "stream-end", "is_finished": True, "finish_reason": reason, "response": response}
        return [{**end, "text": "the whole again"}]

    def whole(self, text: str, tokens: int, task: Task, plan: Plan) -> Body:
        """`text` with a generation id."""
        return {"text": text, "generation_id": "1", "finish_reason": self._reason(plan)}


class Jurassic(InvokeForm):
    """AI21's Jurassic-2, which does not stream."""

    streams = False

    def read(self, body: Body) -> tuple[str, Any]:
        """`prompt` and `maxTokens`."""
        return body["prompt"], body.get("maxTokens")

    def whole(self, text: str, tokens: int, task: Task, plan: Plan) -> Body:
        """One entry of `completions`."""
        reason = {"reason": {"stop": "endoftext", "length": "length"}[plan.finish_reason]}
        completion = {"data": {"text": text, "tokens": []}, "finishReason": reason}
        return {"id": 1, "prompt": {"text": task.prompt, "tokens": []}, "completions": [completion]}


class Titan(InvokeForm):
    """Amazon Titan Text."""

    def read(self, body: Body) -> tuple[str, Any]:
        """`inputText` and `textGenerationConfig.maxTokenCount`."""
        return body["inputText"], (body.get("textGenerationConfig") or {}).get("maxTokenCount")

    def piece(self, text: str, index: int, task: Task) -> Body:
        """`outputText`; the first one has the prompt's token count."""
        counts = {"totalOutputTextTokenCount": None, "inputTextTokenCount": task.prompt_tokens if index == 0 else None}
        return {"outputText": text, "index": 0, "completionReason": None, **counts}

    def last(self, task: Task, plan: Plan) -> list[Body]:
        """An empty `outputText` with the total token count and the completion reason."""
        counts = {"totalOutputTextTokenCount": plan.tokens, "inputTextTokenCount": None}
        return [{"outputText": "", "index": 0, "completionReason": self._reason(plan), **counts}]

    def whole(self, text: str, tokens: int, task: Task, plan: Plan) -> Body:
        """One entry of `results`."""
        result = {"tokenCount": tokens, "outputText": text, "completionReason": self._reason(plan)}
        return {"inputTextTokenCount": task.prompt_tokens, "results": [result]}

    @staticmethod
    def _reason(plan: Plan) -> str:
        return {"stop": "FINISH", "length": "LENGTH"}[plan.finish_reason]


class TitanEmbed(InvokeForm):
    """Amazon Titan Embeddings."""

    streams = False

    def read(self, body: Body) -> tuple[str, Any]:
        """`inputText`, as an answer of one token."""
        return body["inputText"], 1

    def whole(self, text: str, tokens: int, task: Task, plan: Plan) -> Body:
        """`embedding`, and the prompt's token count."""
        return {"embedding": [0.25, -0.5], "inputTextTokenCount": task.prompt_tokens}


class CohereEmbed(InvokeForm):
    """Cohere's embeddings."""

    streams = False

    def read(self, body: Body) -> tuple[str, Any]:
        """`texts`, joined, as an answer of one token."""
        return "\n".join(body["texts"]), 1

    def whole(self, text: str, tokens: int, task: Task, plan: Plan) -> Body:
        """`embeddings`, one vector."""
        return {"id": "1", "embeddings": [[0.25, -0.5]], "response_type": "embeddings_floats", "texts": [task.prompt]}


FORMS: dict[str, InvokeForm] = {
    "anthropic": Anthropic(),
    "nova": Nova(),
    "llama": Llama(),
    "mistral": Mistral(),
    "deepseek": DeepSeek(),
    "chat": Chat(),
    "command": Command(),
    "command_r": CommandR(),
    "jurassic": Jurassic(),
    "titan": Titan(),
    "titan_embed": TitanEmbed(),
    "cohere_embed": CohereEmbed(),
}

_BY_MODEL = {"mistral.": "mistral", "cohere.": "command", "ai21.": "jurassic", "deepseek.": "deepseek"}


def form_of(model: str, body: Body) -> str:
    """The format of a request, from its keys, and from the model's id where several families share them."""
    if "inputText" in body:
        return "titan_embed" if "embed" in model else "titan"
    for key, form in (
        ("anthropic_version", "anthropic"),
        ("schemaVersion", "nova"),
        ("texts", "cohere_embed"),
        ("message", "command_r"),
        ("messages", "chat"),
    ):
        if key in body:
            return form
    return next((form for part, form in _BY_MODEL.items() if part in model), "llama")


def _content_text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(block["text"] for block in content if "text" in block)
