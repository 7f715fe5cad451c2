"""Where chat templates are found, and that the embedded model's gives what its own server makes of messages."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer as Engine
from tokenizers import models, pre_tokenizers, processors

from fmbench_lib.data import chat_template_files
from fmbench_lib.data.chat_template_files import chat_template_of, template_in_file
from fmbench_lib.data.server_tokenizer import server_tokenizer
from fmbench_lib.data.tokenizers import load_tokenizer
from fmbench_lib.errors import TemplateError
from fmbench_lib.models.embedded import EMBEDDED_MODEL

CONVERSATIONS = [
    [{"role": "user", "content": "Hi"}],
    [{"role": "system", "content": "Be brief.\n"}, {"role": "user", "content": "  Why?  "}],
    [
        {"role": "user", "content": "1 <b> & é 日本"},
        {"role": "assistant", "content": "ok"},
        {"role": "user", "content": "a\n\nb"},
    ],
]


def test_the_embedded_models_template_is_its_servers(embedded_server: str, ask_server: Any) -> None:
    template = chat_template_of(EMBEDDED_MODEL, folders=[])
    tokenizer = load_tokenizer(EMBEDDED_MODEL, folders=[])
    served = server_tokenizer(embedded_server, None, {})
    assert template is not None
    for messages in CONVERSATIONS:
        text = template.render(messages, datetime.now)
        assert text == ask_server("/apply-template", {"messages": messages})["prompt"]
        sent = {"content": text, "add_special": True, "parse_special": True}  # as /completion reads a prompt
        counted = len(ask_server("/tokenize", sent)["tokens"])
        assert tokenizer.count(text) == served.count(text) == counted
    answered = ask_server("/completion", {"prompt": text, "n_predict": 1})
    assert answered["tokens_evaluated"] == counted


def model(folder: Path, **files: Any) -> Path:
    """A folder with these files, their dots written as double underscores."""
    folder.mkdir()
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def source_of(path: Path) -> str | None:
    template = chat_template_of(path.name, folders=[path.parent])
    return None if template is None else template.source


def test_the_files_of_a_model_are_read_in_the_order_of_transformers(tmp_path: Path) -> None:
    jinja, config, other = "FILE", {"chat_template": "CONFIG"}, {"chat_template": "JSON"}
    files: dict[str, Any] = {"chat_template__jinja": jinja, "tokenizer_config__json": config}
    files["chat_template__json"] = other
    assert source_of(model(tmp_path / "all", **files)) == "FILE"
    files.pop("chat_template__jinja")
    assert source_of(model(tmp_path / "two", **files)) == "CONFIG"
    files["tokenizer_config__json"] = {"chat_template": None}
    assert source_of(model(tmp_path / "one", **files)) == "JSON"
    assert source_of(model(tmp_path / "none", tokenizer_config__json={"model_max_length": 1})) is None
    assert source_of(tmp_path / "no folder") is None
    assert chat_template_of("words", folders=[]) is None


def test_of_several_templates_the_default_is_taken(tmp_path: Path) -> None:
    named = [{"name": "tool_use", "template": "T"}, {"name": "default", "template": "D"}]
    assert source_of(model(tmp_path / "list", tokenizer_config__json={"chat_template": named})) == "D"
    assert source_of(model(tmp_path / "tools", tokenizer_config__json={"chat_template": named[:1]})) is None


def test_special_tokens_are_texts_or_objects(tmp_path: Path) -> None:
    tokens = {"bos_token": {"content": "<s>", "lstrip": False}, "eos_token": "</s>", "pad_token": None}
    made = model(
        tmp_path / "m",
        tokenizer_config__json={"chat_template": "{{ bos_token }}{{ eos_token }}{{ sep_token }}", **tokens},
        special_tokens_map__json={"sep_token": "<sep>", "eos_token": "<old>"},
    )
    template = chat_template_of(str(made), folders=[])
    assert template is not None
    assert template.render([], datetime.now) == "<s></s><sep>"


@pytest.mark.parametrize(
    ("told", "text"), [({}, "Q"), ({"add_bos_token": False}, "<s>Q"), ({"add_bos_token": True}, "Q")]
)
def test_a_beginning_that_the_server_adds_is_not_sent_twice(tmp_path: Path, told: dict[str, bool], text: str) -> None:
    config = {"chat_template": "{{ bos_token }}Q", "bos_token": "<s>", **told}
    made = model(tmp_path / "m", tokenizer_config__json=config)
    engine = Engine(models.WordLevel({"[UNK]": 0, "<s>": 1}, unk_token="[UNK]"))
    engine.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    engine.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    engine.save(str(made / "tokenizer.json"))
    template = chat_template_of(str(made / "tokenizer.json"), folders=[])
    assert template is not None
    assert template.render([], datetime.now) == text


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    made = model(tmp_path / "m", tokenizer_config__json="{")
    with pytest.raises(TemplateError, match=r"tokenizer_config\.json is not JSON: "):
        chat_template_of(str(made), folders=[])
    (made / "tokenizer_config.json").write_text("[]")
    with pytest.raises(TemplateError, match=r"tokenizer_config\.json is not a JSON object"):
        chat_template_of(str(made), folders=[])
    (made / "chat_template.jinja").write_bytes(b"\xff")
    with pytest.raises(TemplateError, match=r"cannot read the chat template in .*chat_template\.jinja"):
        template_in_file(made / "chat_template.jinja", None)


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({"tokenizer.ggml.model": "llama"}, "Q"),
        ({"tokenizer.ggml.model": "llama", "tokenizer.ggml.add_bos_token": False}, "<s>Q"),
        ({"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "llama-bpe"}, "Q"),
        ({"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "qwen2"}, "<s>Q"),
    ],
)
def test_a_gguf_file_says_what_its_server_adds(
    monkeypatch: pytest.MonkeyPatch, facts: dict[str, Any], text: str
) -> None:
    facts = {
        "tokenizer.chat_template": "{{ bos_token }}Q",
        "tokenizer.ggml.tokens": ["a", "<s>"],
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 7,
        **facts,
    }
    monkeypatch.setattr(chat_template_files, "gguf_metadata", lambda *_: facts)
    monkeypatch.setattr(chat_template_files, "model_file", lambda *_: Path("m.gguf"))
    template = chat_template_of("m.gguf", folders=[])
    assert template is not None
    assert template.render([], datetime.now) == text
