"""The body forms of InvokeModel: what each family of models is asked, and what it says in a stream and at once."""

from __future__ import annotations

from typing import Any, ClassVar

from fmbench_lib.emulator.behaviour import Ask, Plan

Body = dict[str, Any]


class InvokeForm:
    """One family's form. A stream is `first`, a `piece` for each event, and `last`, which has at least one object."""

    streams: ClassVar[bool] = True

    def read(self, asked: Body) -> tuple[str, Any]:
        """The prompt, and the limit of the answer's tokens."""
        return asked["prompt"], asked.get("max_tokens")

    def first(self, ask: Ask) -> list[Body]:
        return []

    def piece(self, text: str, index: int, ask: Ask) -> Body:
        raise NotImplementedError

    def last(self, ask: Ask, plan: Plan) -> list[Body]:
        return [{}]

    def whole(self, text: str, tokens: int, ask: Ask, plan: Plan) -> Body:
        raise NotImplementedError


class Anthropic(InvokeForm):
    """Claude's messages."""

    def read(self, asked: Body) -> tuple[str, Any]:
        return _content_text(asked["messages"][-1]["content"]), asked["max_tokens"]

    def first(self, ask: Ask) -> list[Body]:
        usage = {"input_tokens": ask.prompt_tokens, "output_tokens": 1}
        message = {"id": "msg_bdrk_1", "type": "message", "role": "assistant", "content": [], "usage": usage}
        block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        return [{"type": "message_start", "message": message}, block]

    def piece(self, text: str, index: int, ask: Ask) -> Body:
        return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}

    def last(self, ask: Ask, plan: Plan) -> list[Body]:
        delta = {"stop_reason": self._reason(plan), "stop_sequence": None}
        return [
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": delta, "usage": {"output_tokens": plan.tokens}},
            {"type": "message_stop"},
        ]

    def whole(self, text: str, tokens: int, ask: Ask, plan: Plan) -> Body:
        return {
            "id": "msg_bdrk_1",
            "type": "message",
            "role": "assistant",
            "content": [{"type": "text", "text": text}],
            "stop_reason": self._reason(plan),
            "usage": {"input_tokens": ask.prompt_tokens, "output_tokens": tokens},
        }

    @staticmethod
    def _reason(plan: Plan) -> str:
        return {"stop": "end_turn", "length": "max_tokens"}[plan.finish_reason]


class Nova(InvokeForm):
    """Amazon Nova: Converse's events, one level down."""

    def read(self, asked: Body) -> tuple[str, Any]:
        return _content_text(asked["messages"][-1]["content"]), (asked.get("inferenceConfig") or {}).get("maxTokens")

    def first(self, ask: Ask) -> list[Body]:
        return [{"messageStart": {"role": "assistant"}}]

    def piece(self, text: str, index: int, ask: Ask) -> Body:
        return {"contentBlockDelta": {"delta": {"text": text}, "contentBlockIndex": 0}}

    def last(self, ask: Ask, plan: Plan) -> list[Body]:
        usage = {"inputTokens": ask.prompt_tokens, "outputTokens": plan.tokens}
        return [
            {"contentBlockStop": {"contentBlockIndex": 0}},
            {"messageStop": {"stopReason": Anthropic._reason(plan)}},
            {"metadata": {"usage": usage, "metrics": {}, "trace": {}}},
        ]

    def whole(self, text: str, tokens: int, ask: Ask, plan: Plan) -> Body:
        return {
            "output": {"message": {"content": [{"text": text}], "role": "assistant"}},
            "stopReason": Anthropic._reason(plan),
            "usage": {"inputTokens": ask.prompt_tokens, "outputTokens": tokens},
        }


class Llama(InvokeForm):
    """Meta's models."""

    def read(self, asked: Body) -> tuple[str, Any]:
        return asked["prompt"], asked.get("max_gen_len")

    def piece(self, text: str, index: int, ask: Ask) -> Body:
        given = ask.prompt_tokens if index == 0 else None
        counts = {"prompt_token_count": given, "generation_token_count": index + 1}
        return {"generation": text, **counts, "stop_reason": None}

    def last(self, ask: Ask, plan: Plan) -> list[Body]:
        counts = {"prompt_token_count": None, "generation_token_count": plan.tokens}
        return [{"generation": "", **counts, "stop_reason": plan.finish_reason}]

    def whole(self, text: str, tokens: int, ask: Ask, plan: Plan) -> Body:
        counts = {"prompt_token_count": ask.prompt_tokens, "generation_token_count": tokens}
        return {"generation": text, **counts, "stop_reason": plan.finish_reason}


class Mistral(InvokeForm):
    """Mistral's instruct models."""

    def piece(self, text: str, index: int, ask: Ask) -> Body:
        return {"outputs": [{"text": text, "stop_reason": None}]}

    def last(self, ask: Ask, plan: Plan) -> list[Body]:
        return [{"outputs": [{"text": "", "stop_reason": plan.finish_reason}]}]

    def whole(self, text: str, tokens: int, ask: Ask, plan: Plan) -> Body:
        return {"outputs": [{"text": text, "stop_reason": plan.finish_reason}]}


class DeepSeek(InvokeForm):
    """DeepSeek-R1."""

    def piece(self, text: str, index: int, ask: Ask) -> Body:
        return {"choices": [{"index": 0, "text": text, "stop_reason": None}]}

    def last(self, ask: Ask, plan: Plan) -> list[Body]:
        return [{"choices": [{"index": 0, "text": "", "stop_reason": plan.finish_reason}]}]

    def whole(self, text: str, tokens: int, ask: Ask, plan: Plan) -> Body:
        return {"choices": [{"index": 0, "text": text, "stop_reason": plan.finish_reason}]}


class Chat(InvokeForm):
    """Messages and choices: later Mistral models, AI21's Jamba."""

    def read(self, asked: Body) -> tuple[str, Any]:
        return _content_text(asked["messages"][-1]["content"]), asked.get("max_tokens")

    def piece(self, text: str, index: int, ask: Ask) -> Body:
        return {"id": "chat-1", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}

    def last(self, ask: Ask, plan: Plan) -> list[Body]:
        return [{"id": "chat-1", "choices": [{"index": 0, "delta": {}, "finish_reason": plan.finish_reason}]}]

    def whole(self, text: str, tokens: int, ask: Ask, plan: Plan) -> Body:
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": plan.finish_reason}
        usage = {"prompt_tokens": ask.prompt_tokens, "completion_tokens": tokens}
        return {"id": "chat-1", "choices": [choice], "usage": usage}


class Command(InvokeForm):
    """Cohere's Command."""

    def piece(self, text: str, index: int, ask: Ask) -> Body:
        return {"text": text, "is_finished": False, "index": 0}

    def last(self, ask: Ask, plan: Plan) -> list[Body]:
        return [{"is_finished": True, "finish_reason": self._reason(plan), "index": 0}]

    def whole(self, text: str, tokens: int, ask: Ask, plan: Plan) -> Body:
        generation = {"id": "1", "text": text, "finish_reason": self._reason(plan)}
        return {"id": "1", "generations": [generation], "prompt": ask.prompt}

    @staticmethod
    def _reason(plan: Plan) -> str:
        return {"stop": "COMPLETE", "length": "MAX_TOKENS"}[plan.finish_reason]


class CommandR(Command):
    """Cohere's Command R, whose stream's end repeats the whole."""

    def read(self, asked: Body) -> tuple[str, Any]:
        return asked["message"], asked.get("max_tokens")

    def piece(self, text: str, index: int, ask: Ask) -> Body:
        return {"event_type": "text-generation", "is_finished": False, "text": text}

    def last(self, ask: Ask, plan: Plan) -> list[Body]:
        reason = self._reason(plan)
        response = {"text": "the whole again", "finish_reason": reason}
        end = {"event_type": "stream-end", "is_finished": True, "finish_reason": reason, "response": response}
        return [{**end, "text": "the whole again"}]

    def whole(self, text: str, tokens: int, ask: Ask, plan: Plan) -> Body:
        return {"text": text, "generation_id": "1", "finish_reason": self._reason(plan)}


class Jurassic(InvokeForm):
    """AI21's Jurassic-2, which does not stream."""

    streams = False

    def read(self, asked: Body) -> tuple[str, Any]:
        return asked["prompt"], asked.get("maxTokens")

    def whole(self, text: str, tokens: int, ask: Ask, plan: Plan) -> Body:
        reason = {"reason": {"stop": "endoftext", "length": "length"}[plan.finish_reason]}
        completion = {"data": {"text": text, "tokens": []}, "finishReason": reason}
        return {"id": 1, "prompt": {"text": ask.prompt, "tokens": []}, "completions": [completion]}


class Titan(InvokeForm):
    """Amazon Titan Text."""

    def read(self, asked: Body) -> tuple[str, Any]:
        return asked["inputText"], (asked.get("textGenerationConfig") or {}).get("maxTokenCount")

    def piece(self, text: str, index: int, ask: Ask) -> Body:
        counts = {"totalOutputTextTokenCount": None, "inputTextTokenCount": ask.prompt_tokens if index == 0 else None}
        return {"outputText": text, "index": 0, "completionReason": None, **counts}

    def last(self, ask: Ask, plan: Plan) -> list[Body]:
        counts = {"totalOutputTextTokenCount": plan.tokens, "inputTextTokenCount": None}
        return [{"outputText": "", "index": 0, "completionReason": self._reason(plan), **counts}]

    def whole(self, text: str, tokens: int, ask: Ask, plan: Plan) -> Body:
        result = {"tokenCount": tokens, "outputText": text, "completionReason": self._reason(plan)}
        return {"inputTextTokenCount": ask.prompt_tokens, "results": [result]}

    @staticmethod
    def _reason(plan: Plan) -> str:
        return {"stop": "FINISH", "length": "LENGTH"}[plan.finish_reason]


class TitanEmbed(InvokeForm):
    """Amazon Titan Embeddings."""

    streams = False

    def read(self, asked: Body) -> tuple[str, Any]:
        return asked["inputText"], 1

    def whole(self, text: str, tokens: int, ask: Ask, plan: Plan) -> Body:
        return {"embedding": [0.25, -0.5], "inputTextTokenCount": ask.prompt_tokens}


class CohereEmbed(InvokeForm):
    """Cohere's embeddings."""

    streams = False

    def read(self, asked: Body) -> tuple[str, Any]:
        return "\n".join(asked["texts"]), 1

    def whole(self, text: str, tokens: int, ask: Ask, plan: Plan) -> Body:
        return {"id": "1", "embeddings": [[0.25, -0.5]], "response_type": "embeddings_floats", "texts": [ask.prompt]}


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


def form_of(model: str, asked: Body) -> str:
    """Which form a request is in: by its keys, and by the model's id where several families share them."""
    if "inputText" in asked:
        return "titan_embed" if "embed" in model else "titan"
    for key, form in (
        ("anthropic_version", "anthropic"),
        ("schemaVersion", "nova"),
        ("texts", "cohere_embed"),
        ("message", "command_r"),
        ("messages", "chat"),
    ):
        if key in asked:
            return form
    return next((form for part, form in _BY_MODEL.items() if part in model), "llama")


def _content_text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(block["text"] for block in content if "text" in block)
