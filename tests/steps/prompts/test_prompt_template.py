"""The template of a run's prompts: its own, in the config or in a file, else one for the columns that the rows have."""

from __future__ import annotations

from pathlib import Path

import pytest

from fmbench_lib.config import ConfigError, parse_config
from fmbench_lib.errors import DataError, InputError
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.data_generation import make_payloads
from fmbench_lib.workspace import Workspace

CONFIG = """
general: {name: templates}
data: {sources: [rows.csv]MORE}
experiments:
- {name: one, platform: endpoint, protocol: openai, ep_name: "http://x/v1/chat/completions", concurrency_levels: [1],
   instance_type: m, tokenizer: words}
"""


def run(tmp_path: Path, rows: str, more: str = "") -> Run:
    (tmp_path / "rows.csv").write_text(rows)
    loaded = parse_config(CONFIG.replace("MORE", more), path=tmp_path / "config.yml")
    return Run(loaded, Workspace(tmp_path / "run"), local_only=True)


def prompts(run: Run) -> tuple[list[str], tuple[str, ...]]:
    made = make_payloads(run).payloads
    assert list(made.files) == ["prompts.jsonl"]
    return sorted(row["prompt"] for row in made.files["prompts.jsonl"]), made.notices


def test_the_text_column_is_found_and_said(tmp_path: Path) -> None:
    found, notices = prompts(run(tmp_path, "id,question\n1,Why?\n2,How?\n"))
    assert found == ["How?", "Why?"]
    assert notices[0] == "prompts are the texts in column question; datasets.prompt_template changes it"


def test_rows_of_the_template_that_ships_get_it(tmp_path: Path) -> None:
    found, notices = prompts(run(tmp_path, "input,context\nWhy?,Because\n"))
    assert found[0].startswith("Answer the question from the text below")
    assert not any("datasets.prompt_template" in notice for notice in notices)


@pytest.mark.parametrize("about", ["input", "context"])
def test_an_instruction_has_what_it_is_about_behind_it(tmp_path: Path, about: str) -> None:
    rows = f"instruction,{about},response\nTranslate,Hello,Hallo\nName three colours,,red\n"
    found, notices = prompts(run(tmp_path, rows))
    assert [prompt.strip() for prompt in found] == ["Name three colours", "Translate\nHello"]
    assert notices[0].startswith(
        f"prompts are the texts in column instruction, each with that in column {about} behind"
    )


def test_a_template_in_the_config(tmp_path: Path) -> None:
    found, _ = prompts(run(tmp_path, "ticket,note\nBroken,old\n", ', prompt_template: "Answer: {ticket}"'))
    assert found == ["Answer: Broken"]


def test_a_template_is_needed_where_no_column_can_be_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="which of the columns ticket, note is the prompt"):
        prompts(run(tmp_path, "ticket,note\nBroken,old\n"))


def test_sources_stand_in_one_place(tmp_path: Path) -> None:
    text = CONFIG.replace("MORE", "") + "s3_read_data: {source_data_files: [a.jsonl]}\n"
    with pytest.raises(ConfigError, match=r"datasets\.sources: s3_read_data\.source_data_files is given too"):
        parse_config(text, path=tmp_path / "config.yml")


def test_a_column_may_be_called_anything(tmp_path: Path) -> None:
    found, notices = prompts(run(tmp_path, "What people ask\nWhy?\n"))
    assert found == ["Why?"]
    assert notices[0].startswith("prompts are the texts in column What people ask;")


CHAT = 'id,messages\n1,"[{""role"":""system"",""content"":""S""},{""role"":""user"",""content"":CONTENT}]"\n'
PICTURE = '[{""type"":""image_url"",""image_url"":{""url"":""data:image/png;base64,AA==""}}]'


def test_conversations_are_messages_where_requests_have_them(tmp_path: Path) -> None:
    made = make_payloads(run(tmp_path, CHAT.replace("CONTENT", '""Q""'))).payloads
    assert [message["role"] for message in made.files["prompts.jsonl"][0]["messages"]] == ["system", "user"]
    assert not any("sent as one text" in notice for notice in made.notices)


def at(address: str, tmp_path: Path, content: str) -> Run:
    made = run(tmp_path, CHAT.replace("CONTENT", content))
    text = CONFIG.replace("MORE", "").replace("http://x/v1/chat/completions", address)
    return Run(parse_config(text, path=tmp_path / "config.yml"), made.workspace, local_only=True)


def test_conversations_are_one_text_elsewhere_and_the_report_says_so(tmp_path: Path) -> None:
    found, notices = prompts(at("http://x/v1/completions", tmp_path, '""Q""'))
    assert found == ["system: S\n\nuser: Q"]
    assert any("1 conversations are sent as one text" in notice for notice in notices)


def test_an_image_in_a_conversation_is_never_lost(tmp_path: Path) -> None:
    assert make_payloads(at("http://x/v1/chat/completions", tmp_path, PICTURE)).payloads.counts[0]["prompts"] == 1
    with pytest.raises(InputError, match=r"http://x/v1/completions takes no messages with images"):
        prompts(at("http://x/v1/completions", tmp_path, PICTURE))


def test_an_object_is_no_prompt_unless_a_template_says_so(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"input": {"text": "Why?"}}\n')

    def of(more: str) -> Run:
        text = CONFIG.replace("rows.csv", "rows.jsonl").replace("MORE", more)
        return Run(parse_config(text, path=tmp_path / "c.yml"), Workspace(tmp_path / "run"), local_only=True)

    with pytest.raises(InputError, match=r"line 1, column input: holds an object with text in place of a text; make"):
        make_payloads(of(""))
    assert prompts(of(', prompt_template: "{input}"'))[0] == ['{"text": "Why?"}']


def test_rows_that_are_all_without_a_prompt_are_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"rows.csv: 2 of 2 rows have no prompt and are left out.*: there is no prompt"):
        make_payloads(run(tmp_path, 'id,prompt\n1,""\n2,"  "\n'))
