"""Where a model's chat template is: in files beside its tokenizer, or in its GGUF file.

The order of the files is that of the `transformers` library: `chat_template.jinja`, then the `chat_template` of
`tokenizer_config.json` (a text, or a list of named ones, of which `default` is taken), then `chat_template.json`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from fmbench_lib.data.chat_template import ChatTemplate
from fmbench_lib.data.tokenizers import WORDS, token_before_text
from fmbench_lib.errors import TemplateError
from fmbench_lib.host.paths import expanded
from fmbench_lib.models.cache import ModelFileError
from fmbench_lib.models.embedded import EMBEDDED_MODEL, model_file
from fmbench_lib.models.gguf import gguf_metadata
from fmbench_lib.models.hub import HUB_ID, hub_file

FindFile: TypeAlias = Callable[[str], Path | None]
"""The file of a name beside a model's tokenizer; None where there is none."""

_JINJA, _CONFIG, _JSON, _MAP = (
    "chat_template.jinja",
    "tokenizer_config.json",
    "chat_template.json",
    "special_tokens_map.json",
)
_TOKENIZER = "tokenizer.json"
_GGUF = "tokenizer.ggml."
_GGUF_TEMPLATE = "tokenizer.chat_template"
_GGUF_KEYS = (_GGUF_TEMPLATE, *(_GGUF + key for key in ("model", "pre", "tokens", "add_bos_token")))
_GGUF_IDS = {f"{name}_token": f"{_GGUF}{key}_token_id" for name, key in (("bos", "bos"), ("eos", "eos"))}
_BEGIN_BY_THEMSELVES = ("llama-bpe", "tekken")
"""Pre-tokenizers of GGUF files whose servers add a beginning where the file does not say so (llama-vocab.cpp)."""


def chat_template_of(spec: str, *, folders: Sequence[Path], token: str | None = None) -> ChatTemplate | None:
    """The chat template of the model whose tokenizer `spec` names as a config does; None where it has none.

    Raises TemplateError where a file is there and cannot be read.
    """
    if spec == WORDS:
        return None
    if spec == EMBEDDED_MODEL or spec.endswith(".gguf"):
        return _of_gguf(spec, folders)
    for path in (folder / expanded(spec) for folder in (*folders, Path.cwd())):
        if path.is_file() or (path.is_dir() and any(path.iterdir())):
            return template_beside(spec, partial(_in_folder, path if path.is_dir() else path.parent))
    return template_beside(spec, partial(_on_hub, spec, token)) if HUB_ID.fullmatch(spec) else None


def template_beside(origin: str, find: FindFile) -> ChatTemplate | None:
    """The chat template among a model's files; None where they have none. Raises TemplateError."""
    config = _json_object(find(_CONFIG))
    jinja = find(_JINJA)
    source = _text(jinja) if jinja is not None else _default(config.get("chat_template"))
    if source is None:
        source = _default(_json_object(find(_JSON)).get("chat_template"))
    if source is None:
        return None
    tokens = {**_special_tokens(_json_object(find(_MAP))), **_special_tokens(config)}
    return ChatTemplate(origin, source, tokens, _beginning(config, tokens, find))


def template_in_file(path: Path, tokens_of: ChatTemplate | None) -> ChatTemplate:
    """The template in a Jinja file of the user, with the special tokens of the model's own. Raises TemplateError."""
    if tokens_of is None:
        return ChatTemplate(str(path), _text(path))
    return replace(tokens_of, origin=str(path), source=_text(path))


def _in_folder(folder: Path, name: str) -> Path | None:
    path = folder / name
    return path if path.is_file() else None


def _on_hub(repo: str, token: str | None, name: str) -> Path | None:
    try:
        return hub_file(repo, name, token)
    except ModelFileError:  # the model has no such file, or nobody can say here
        return None


def _default(value: Any) -> str | None:
    """The template for conversations without tools: the value itself, or the one named so in a list or object."""
    if isinstance(value, list):
        value = {entry.get("name"): entry.get("template") for entry in value if isinstance(entry, Mapping)}
    if isinstance(value, Mapping):
        value = value.get("default")
    return value if isinstance(value, str) else None


def _special_tokens(config: Mapping[str, Any]) -> dict[str, str]:
    """The special tokens of a configuration; each is a text, or an object with its `content`."""
    return dict(_tokens_in(config))


def _tokens_in(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in config.items():
        text = value.get("content") if isinstance(value, Mapping) else value
        if name.endswith("_token") and isinstance(text, str):
            yield name, text


def _beginning(config: Mapping[str, Any], tokens: Mapping[str, str], find: FindFile) -> str:
    """The token that servers put before each text: as the configuration says, else as the tokenizer itself does it."""
    adds = config.get("add_bos_token")
    if isinstance(adds, bool):
        return tokens.get("bos_token", "") if adds else ""
    path = find(_TOKENIZER)
    return "" if path is None else token_before_text(path)


def _of_gguf(spec: str, folders: Sequence[Path]) -> ChatTemplate | None:
    try:
        facts = gguf_metadata(model_file(spec, folders), (*_GGUF_KEYS, *_GGUF_IDS.values()))
    except ModelFileError:
        return None
    source = facts.get(_GGUF_TEMPLATE)
    if not isinstance(source, str):
        return None
    vocabulary = facts.get(_GGUF + "tokens", [])
    ids = {name: facts[key] for name, key in _GGUF_IDS.items() if key in facts}
    tokens = {name: vocabulary[number] for name, number in ids.items() if 0 <= number < len(vocabulary)}
    by_kind = facts.get(_GGUF + "model") == "llama" or facts.get(_GGUF + "pre") in _BEGIN_BY_THEMSELVES
    adds = facts.get(_GGUF + "add_bos_token", by_kind)
    return ChatTemplate(spec, source, tokens, tokens.get("bos_token", "") if adds else "", tools_defined=False)


def _json_object(path: Path | None) -> Mapping[str, Any]:
    if path is None:
        return {}
    try:
        content = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise TemplateError(f"{path} is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise TemplateError(f"{path} is not a JSON object, so no chat template can be read from it")
    return content


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise TemplateError(f"cannot read the chat template in {path}: {error}") from None
