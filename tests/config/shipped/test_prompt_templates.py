"""The prompt templates that ship: each has its model family's documented chat format, and the columns of its data."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fmbench_lib.config.shipped.files import shipped_path
from fmbench_lib.data.templates import make_template, read_template

# Chat formats as the model cards document them, each from the first character of a prompt to its last.
LLAMA_3 = re.compile(
    r"<\|begin_of_text\|><\|start_header_id\|>system<\|end_header_id\|>\n\n.+?<\|eot_id\|>"
    r"<\|start_header_id\|>user<\|end_header_id\|>\n\n.+?<\|eot_id\|>"
    r"<\|start_header_id\|>assistant<\|end_header_id\|>\n\n",
    re.DOTALL,
)
LLAMA_4 = re.compile(
    r"<\|begin_of_text\|><\|header_start\|>system<\|header_end\|>\n\n.+?<\|eot\|>"
    r"<\|header_start\|>user<\|header_end\|>\n\n.+?<\|eot\|><\|header_start\|>assistant<\|header_end\|>\n\n",
    re.DOTALL,
)
LLAMA_2 = re.compile(r"<s>\[INST\] <<SYS>>\n.+?\n<</SYS>>\n\n.+? \[/INST\]", re.DOTALL)
MISTRAL = re.compile(r"<s>\[INST\] .+? \[/INST\]", re.DOTALL)
GEMMA = re.compile(r"<bos><start_of_turn>user\n.+?<end_of_turn>\n<start_of_turn>model\n", re.DOTALL)
CHATML = re.compile(
    r"<\|im_start\|>system\n.+?<\|im_end\|>\n<\|im_start\|>user\n.+?<\|im_end\|>\n<\|im_start\|>assistant\n", re.DOTALL
)
DEEPSEEK_R1 = re.compile(r"<｜begin▁of▁sentence｜><｜User｜>.+?<｜Assistant｜><think>\n", re.DOTALL)
TITAN = re.compile(r".+?\n\nUser: .+?\nBot:", re.DOTALL)
FALCON = re.compile(r".+?\nUser: .+?\nAssistant:", re.DOTALL)
MESSAGE = re.compile(r"[^<\[]+(<\w+>\n\{\w+\}\n</\w+>\s*)*|[^<\[]+", re.DOTALL)
"""The text of a message alone, for services that apply the chat format themselves; parts may stand between tags."""

TEMPLATES: dict[str, tuple[re.Pattern[str], tuple[str, ...]]] = {
    "bert": (MESSAGE, ("text",)),
    "claude": (MESSAGE, ("input", "context")),
    "claude_OpenOrca": (MESSAGE, ("input", "system_prompt")),
    "claude_dolly_dataset": (MESSAGE, ("instruction", "context")),
    "claude_images_ScienceQA": (MESSAGE, ("question",)),
    "convfinqa": (MESSAGE, ("input",)),
    "deepseek_longbench": (DEEPSEEK_R1, ("input", "context")),
    "falcon": (FALCON, ("input", "context")),
    "gemma": (GEMMA, ("input", "context")),
    "hermes": (CHATML, ("input", "context")),
    "llama2": (LLAMA_2, ("input", "context")),
    "llama2_Mistral_OpenOrca": (LLAMA_2, ("input", "system_prompt")),
    "llama3": (LLAMA_3, ("input", "context")),
    "llama3.2_vision": (LLAMA_3, ("input", "context")),
    "llama3_OpenOrca": (LLAMA_3, ("input", "system_prompt")),
    "llama3_OpenOrca_accuracy": (LLAMA_3, ("question",)),
    "llama3_databricks-dolly-15k": (LLAMA_3, ("instruction", "context")),
    "llama3_images_ScienceQA": (LLAMA_3, ("question",)),
    "llama3_images_marqo-GS-10M": (LLAMA_3, ()),
    "llama3_meeting_summarization": (LLAMA_4, ("meeting_minutes",)),
    "llama3_summarization": (LLAMA_3, ("input",)),
    "llama4": (LLAMA_4, ("input", "context")),
    "mistral": (MISTRAL, ("input", "context")),
    "mixtral": (MISTRAL, ("input", "context")),
    "nova": (MESSAGE, ("input", "context")),
    "nova_convfinqa": (MESSAGE, ("input",)),
    "nova_dolly_dataset": (MESSAGE, ("instruction",)),
    "nova_open_orca": (MESSAGE, ("question",)),
    "open_orca": (MESSAGE, ("question",)),
    "qa": (MESSAGE, ("input", "context")),
    "qwen": (CHATML, ("input", "context")),
    "titan_text": (TITAN, ("input", "context")),
}
"""By name between `prompt_template_` and `.txt`: the whole prompt's form, and the columns of the data it is for."""


def folder() -> Path:
    found = shipped_path("configs/prompt_templates")
    assert found is not None
    return found


def test_every_template_that_ships_is_tested() -> None:
    names = {path.stem.removeprefix("prompt_template_") for path in folder().glob("*")}
    assert names == set(TEMPLATES)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_has_the_format_of_its_family_and_the_columns_of_its_data(name: str) -> None:
    form, keys = TEMPLATES[name]
    text = read_template(folder() / f"prompt_template_{name}.txt")
    assert form.fullmatch(text), text
    assert set(re.findall(r"\{(\w+)\}", text)) == set(keys)
    if keys:
        template = make_template(text, keys)
        assert template.unused_keys == ()
        values = {key: f"value of {key}" for key in keys}
        assert all(value in template.render(values) for value in values.values())
