"""Conversations where requests hold one text: in the model's chat template, counted as sent, and said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fmbench_lib import steps
from fmbench_lib.config import parse_config
from fmbench_lib.emulator import Emulator, launch
from fmbench_lib.errors import RunStateError, TemplateError
from fmbench_lib.host.atomic_files import read_rows
from fmbench_lib.load.recording.records import read_level
from fmbench_lib.runs.opening import create_run
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.data_generation import MadePrompts, make_payloads
from fmbench_lib.steps.prompts import conversations_as_text, fitted_prompts
from fmbench_lib.workspace import Workspace

CONFIG = """
general: {name: talks}
data: {sources: [rows.jsonl]}
load: {requests: 3, warmup_requests: 0, timeout: 20, prompt_reuse: allowed}
experiments:
- {name: one, platform: endpoint, protocol: PROTOCOL, ep_name: "URL", tokenizer: TOKENIZER, concurrency_levels: [1],
   inference_spec: {SPEC}}
"""
TEMPLATE = "{% for m in messages %}<{{ m.role }}> {{ m.content }} {% endfor %}<assistant>"
FILE = "prompts.jsonl"
SYSTEM, USER = {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why so?"}
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two conversations, and a tokenizer of whole words with a chat template beside it."""
    rows = [[SYSTEM, USER], [USER], [SYSTEM, {"role": "user", "content": "How?"}]]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps({"messages": row}) + "\n" for row in rows))
    (tmp_path / "tok").mkdir()
    words = {"version": "1.0", "model": {"type": "WordLevel", "vocab": {"?": 0}, "unk_token": "?"}}
    words["pre_tokenizer"] = {"type": "WhitespaceSplit"}
    (tmp_path / "tok" / "tokenizer.json").write_text(json.dumps(words))
    (tmp_path / "tok" / "chat_template.jinja").write_text(TEMPLATE)
    return tmp_path


def text_of(url: str, protocol: str = "openai", tokenizer: str = "tok", spec: str = "") -> str:
    changes = {"PROTOCOL": protocol, "URL": url, "TOKENIZER": tokenizer, "SPEC": spec}
    text = CONFIG
    for name, value in changes.items():
        text = text.replace(name, value)
    return text


def made(folder: Path, url: str, protocol: str = "openai", tokenizer: str = "tok", spec: str = "") -> MadePrompts:
    loaded = parse_config(text_of(url, protocol, tokenizer, spec), path=folder / "config.yml")
    return make_payloads(Run(loaded, Workspace(folder / "run"), local_only=True))


def prompts(prompts_made: MadePrompts) -> list[str]:
    return sorted(row["prompt"] for row in prompts_made.texts.rows["one", FILE])


IN_TEMPLATE = [
    "<system> Be brief. <user> How? <assistant>",
    "<system> Be brief. <user> Why so? <assistant>",
    "<user> Why so? <assistant>",
]


@pytest.mark.parametrize(
    ("path", "protocol", "spec"),
    [
        ("/v1/completions", "openai", ""),
        ("/completion", "llama_cpp", ""),
        ("/generate", "tgi", ""),
        ("/invocations", "djl", ""),
        ("/v2/models/m/generate", "triton", ""),
        ("/api/generate", "ollama", "parameters: {raw: yes}"),
    ],
)
def test_where_the_model_gets_the_text_as_it_is_its_template_is_around_it(
    folder: Path, path: str, protocol: str, spec: str
) -> None:
    found = made(folder, NOWHERE + path, protocol, spec=spec)
    assert prompts(found) == IN_TEMPLATE
    assert {row["prompt_tokens"] for row in found.texts.rows["one", FILE]} == {4, 6, 7}
    assert found.longest == {FILE: 7}
    assert "one: 3 conversations are sent as one text, in the chat template of tok" in found.payloads.notices


@pytest.mark.parametrize(("path", "protocol"), [("/v1/chat/completions", "openai"), ("/api/chat", "ollama")])
def test_where_the_server_has_a_template_messages_stay_messages(folder: Path, path: str, protocol: str) -> None:
    found = made(folder, NOWHERE + path, protocol)
    assert found.texts.rows == {}
    assert not any("conversations" in notice for notice in found.payloads.notices if notice.startswith("one"))


def test_ollama_puts_its_own_template_around_a_text(folder: Path) -> None:
    found = made(folder, NOWHERE + "/api/generate", "ollama")
    assert found.texts.rows == {}
    (notice,) = found.texts.notices
    assert notice.startswith("one: 2 conversations are sent as one text, a paragraph for each message")


def test_without_a_template_conversations_are_plain_and_the_report_says_so(folder: Path) -> None:
    (folder / "tok" / "chat_template.jinja").unlink()
    found = made(folder, NOWHERE + "/v1/completions")
    assert found.texts.rows == {}
    (notice,) = found.texts.notices
    assert "a paragraph for each message with its role before it, as no chat template of the model was found" in notice
    assert max(row["prompt"] for row in found.payloads.files[FILE]) == "system: Be brief.\n\nuser: Why so?"


def test_the_config_chooses_another_template_or_none(folder: Path) -> None:
    (folder / "own.jinja").write_text("{{ messages[-1].content }} ->")
    found = made(folder, NOWHERE + "/v1/completions", spec="chat_template: own.jinja")
    assert prompts(found) == ["How? ->", "Why so? ->", "Why so? ->"]
    plain = made(folder, NOWHERE + "/v1/completions", spec="chat_template: plain")
    assert plain.texts.rows == {}
    assert plain.texts.notices[0].endswith("as inference_spec.chat_template says")
    chat = made(folder, NOWHERE + "/v1/chat/completions", spec="chat_template: own.jinja")
    assert "inference_spec.chat_template has no effect" in chat.texts.notices[0]


def test_a_beginning_that_the_request_leaves_out_is_sent(folder: Path) -> None:
    config = {"bos_token": "<s>", "add_bos_token": True}
    (folder / "tok" / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "tok" / "chat_template.jinja").write_text("{{ bos_token }}{{ messages[-1].content }}")
    assert prompts(made(folder, NOWHERE + "/v1/completions"))[0] == "How?"
    spec = "parameters: {add_special_tokens: no}"
    assert prompts(made(folder, NOWHERE + "/v1/completions", spec=spec))[0] == "<s>How?"


def test_a_template_that_refuses_a_conversation_is_one_line(folder: Path) -> None:
    refusal = "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    (folder / "tok" / "chat_template.jinja").write_text(refusal)
    with pytest.raises(
        TemplateError,
        match=r"^experiment one: the chat template of tok fails: System role not supported \(.*rows.jsonl, prompt \w+\)"
        r"; correct the conversation, or write inference_spec.chat_template with a Jinja file, or `plain`$",
    ):
        made(folder, NOWHERE + "/v1/completions")


def test_llama_cpps_server_tells_its_template(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def post(_parts: object, _path: str, body: dict[str, Any], _key: str | None) -> dict[str, list[int]]:
        return {"tokens": [1, 5] if body["add_special"] else [5]}

    told = {"chat_template": "{{ bos_token }}[{{ messages[-1].content }}]", "bos_token": "<s>"}
    monkeypatch.setattr(conversations_as_text.served_template.__module__ + ".get_json", lambda *_: told)
    monkeypatch.setattr(conversations_as_text.served_template.__module__ + ".answer_of_post", post)
    found = made(folder, NOWHERE + "/completion", "llama_cpp", "words")
    assert prompts(found) == ["[How?]", "[Why so?]", "[Why so?]"]
    assert found.texts.notices[0].endswith(f"in the chat template of {NOWHERE}/props")


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """Each word is a token to it."""
    with launch() as running:
        yield running


@pytest.mark.thorough
def test_a_run_sends_the_text_of_the_template_and_counts_it(folder: Path, emulator: Emulator) -> None:
    (folder / "talks.yml").write_text(text_of(emulator.base_url + "/v1/completions"))
    run = create_run(str(folder / "talks.yml"), results=folder / "results")
    steps.generate_data(run)
    steps.deploy_models(run)
    steps.run_inference(run)
    (level,) = run.workspace.levels()
    records = read_level(level)[0]
    kept = {row["prompt_id"]: row for row in read_rows(run.workspace.sent_prompts("one", FILE))}
    assert set(records["prompt_id"]) == set(kept)
    assert set(kept) == {row["prompt_id"] for row in read_rows(run.workspace.payload(FILE))}
    for _, record in records.iterrows():
        row = kept[record["prompt_id"]]
        assert record["prompt_tokens"] == len(row["prompt"].split()) == row["prompt_tokens"]
    run.workspace.sent_prompts("one", FILE).write_text("{}\n")
    with pytest.raises(RunStateError, match="has changed since run"):
        fitted_prompts.prompts_to_send(run, run.config.experiments[0], FILE, None)  # type: ignore[arg-type]
