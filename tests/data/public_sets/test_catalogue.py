"""The table of public sets: found by every name that people know them by."""

from __future__ import annotations

import pytest

from fmbench_lib.data.public_sets.catalogue import SETS, file_with_rows_of, set_named, set_with
from fmbench_lib.errors import InputError


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("longbench", "longbench"),
        ("LongBench", "longbench"),
        ("THUDM/LongBench", "longbench"),
        ("2wikimqa_e.jsonl", "longbench"),
        ("databricks-dolly-15k", "dolly"),
        ("OpenOrca", "openorca"),
    ],
)
def test_a_set_has_its_name_its_repositorys_and_those_of_its_files(name: str, known: str) -> None:
    assert set_named(name).name == known


def test_a_misspelt_set_suggests_the_near_one() -> None:
    with pytest.raises(InputError, match=r"^no public data set longbnech; did you mean longbench\?$"):
        set_named("longbnech")
    with pytest.raises(InputError, match=r"^no public data set zzzzzzzzzz; there are longbench, "):
        set_named("zzzzzzzzzz")


@pytest.mark.parametrize(
    ("source", "known"),
    [
        ("hotpotqa.jsonl", "longbench"),
        ("rajpurkar/squad.jsonl", "squad"),
        ("hf:THUDM/LongBench/narrativeqa/test", "longbench"),
        ("hf:AdaptLLM/finance-tasks/ConvFinQA/test", "convfinqa"),
        ("mine.jsonl", None),
        ("hf:mine/own", None),
    ],
)
def test_a_source_of_a_config_leads_to_its_set(source: str, known: str | None) -> None:
    wanted = set_with(source)
    assert (wanted.name if wanted else None) == known


def test_no_two_sets_write_the_same_file() -> None:
    targets = [target for entry in SETS.values() for target in entry.targets]
    assert len(targets) == len(set(targets))


@pytest.mark.parametrize(
    ("source", "file"),
    [
        ("hf:THUDM/LongBench/2wikimqa_e/test", "2wikimqa_e.jsonl"),
        ("hf:THUDM/LongBench/2wikimqa_e", "2wikimqa_e.jsonl"),
        ("hf:Marqo/marqo-GS-10M/default/in-domain", "marqo-GS-10M.jsonl"),
        ("hf:Marqo/marqo-GS-10M/default/novel_document", "marqo-GS-10M/novel_document.jsonl"),
        ("hf:THUDM/LongBench/2wikimqa_e/train", None),  # it has no such split
        ("hf:THUDM/LongBench", None),  # which of its subsets is not said
        ("hf:databricks/databricks-dolly-15k/default/train", "databricks-dolly-15k.jsonl"),
        ("hf:rajpurkar/squad/plain_text/train", "rajpurkar/squad.jsonl"),
        ("hf:rajpurkar/squad/plain_text/validation", None),
        ("hf:derek-thomas/ScienceQA/default/validation", "ScienceQA/validation.jsonl"),
        ("hf:derek-thomas/ScienceQA", "ScienceQA/train.jsonl"),
        ("hf:AdaptLLM/finance-tasks/ConvFinQA/test", "ConvFinQA.jsonl"),
        ("hf:mine/own/default/train", None),
        ("2wikimqa_e.jsonl", None),
    ],
)
def test_the_file_that_holds_the_rows_of_a_source_of_the_hub(source: str, file: str | None) -> None:
    found = file_with_rows_of(source)
    assert (found and found.target) == file
