"""A model's chat template: a conversation as the one text that a chat server would make of it for the model.

Templates are Jinja, rendered as the `transformers` library renders them (`utils/chat_template_utils.py`): in a sandbox,
with line breaks behind tags and spaces before them taken out, with `raise_exception`, `strftime_now`, loop controls,
`{% generation %}` and a `tojson` that escapes nothing for HTML.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from fmbench_lib.data.conversations import Message, text_of
from fmbench_lib.errors import TemplateError
from fmbench_lib.models.hub import first_line

if TYPE_CHECKING:
    import jinja2


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """A template, where it comes from, and the tokens that it may use, such as `bos_token`.

    `server_begins_with` is what a server puts before every text by itself, empty where that is nothing: a template that
    begins with it too would send it twice. `tools_defined` is whether its server defines `tools` where there are none:
    `transformers` and servers that use it do, as None; llama.cpp does not.
    """

    origin: str
    source: str
    special_tokens: Mapping[str, str] = field(default_factory=dict)
    server_begins_with: str = ""
    tools_defined: bool = True

    def render(self, messages: Sequence[Message], now: Callable[[], datetime]) -> str:
        """The text of a conversation, up to where the model's answer begins.

        Templates differ in what they expect where there are no tools, None or nothing at all, and in whether arguments
        of calls are objects or JSON text; servers try what a template takes, and so does this.

        Raises TemplateError where the template cannot be read, or refuses the conversation.
        """
        failures: list[Exception] = []
        none: list[dict[str, None]] = [{"tools": None, "documents": None}, {}]
        for as_objects, tools in itertools.product((True, False), none if self.tools_defined else none[::-1]):
            try:
                text = _compiled(self.source).render(
                    messages=[_prepared(message, as_objects) for message in messages],
                    add_generation_prompt=True,
                    strftime_now=lambda form: now().strftime(form),
                    **tools,
                    **self.special_tokens,
                )
            except Exception as error:  # noqa: BLE001 - its own errors, and any that an expression in it raises
                failures.append(error)
            else:
                return text.removeprefix(self.server_begins_with)
        raise TemplateError(f"the chat template of {self.origin} fails: {first_line(failures[0])}")


@lru_cache(maxsize=16)
def _compiled(source: str) -> jinja2.Template:
    from jinja2 import TemplateError as JinjaError
    from jinja2 import nodes
    from jinja2.ext import Extension, loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """The tag around what the model has generated, which trainers need: its content stays as it is."""

        tags = {"generation"}  # noqa: RUF012 - the library's own form

        def parse(self, parser: Any) -> list[nodes.Node]:
            """The nodes of the content."""
            next(parser.stream)
            body: list[nodes.Node] = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return body

    def raise_exception(message: object) -> None:
        raise JinjaError(str(message))

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, Generation]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = raise_exception
    return environment.from_string(source)


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _prepared(message: Message, as_objects: bool) -> Message:
    """A message as templates expect it: its content one text, arguments of its calls `as_objects` or as they are."""
    content, calls = message["content"], message.get("tool_calls")
    prepared = {**message, "content": text_of(content)} if isinstance(content, list) else dict(message)
    if as_objects and isinstance(calls, list):
        prepared["tool_calls"] = [_with_arguments(call) for call in calls]
    return prepared


def _with_arguments(call: Any) -> Any:
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("arguments"), str):
        return call
    try:
        return {**call, "function": {**function, "arguments": json.loads(function["arguments"])}}
    except ValueError:
        return call
