"""Traces: what is read, what is refused, and which prompts their lengths mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from fmbench_lib.config.load_settings import TraceEntry
from fmbench_lib.errors import InputError
from fmbench_lib.load.levels.trace_file import match_prompts, read_trace


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_lines_of_json(tmp_path: Path) -> None:
    path = written(tmp_path, "t.jsonl", '{"time": 1.5}\n\n{"time": 2, "prompt_tokens": 7, "completion_tokens": 9}\n')
    assert read_trace(path) == (TraceEntry(1.5), TraceEntry(2.0, 7, 9))


def test_csv(tmp_path: Path) -> None:
    path = written(tmp_path, "t.csv", "time,prompt_tokens,other\n0,100,x\n0.5,,y\n")
    assert read_trace(path) == (TraceEntry(0.0, 100), TraceEntry(0.5))


def test_mooncakes_spelling_is_in_milliseconds(tmp_path: Path) -> None:
    path = written(
        tmp_path, "t.jsonl", '{"timestamp": 27482, "input_length": 6955, "output_length": 52, "hash_ids": [1]}'
    )
    assert read_trace(path) == (TraceEntry(27.482, 6955, 52),)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("t.jsonl", "", "the trace is empty"),
        ("t.jsonl", '{"time": 1}\n{"time": 0}', "line 2: its time is before"),
        ("t.jsonl", '{"time": 1}\nx', "line 2: not JSON"),
        ("t.jsonl", "[1]", "line 1: write an object"),
        ("t.jsonl", '{"at": 1}', "line 1: has neither `time`"),
        ("t.jsonl", '{"time": "soon"}', "line 1: time is 'soon'; write a number"),
        ("t.csv", "time,prompt_tokens\n0,many\n", "line 2: prompt_tokens is 'many'"),
        ("t.csv", "time\n-1\n", "line 2: time is '-1'"),
    ],
)
def test_what_cannot_be_used_is_said_with_its_line(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_trace(written(tmp_path, name, text))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read the trace"):
        read_trace(tmp_path / "none.jsonl")


def test_each_request_gets_the_prompt_that_comes_nearest_in_length() -> None:
    entries = [TraceEntry(0, 100), TraceEntry(1, 12), TraceEntry(2, 99)]
    assert match_prompts(entries, [10, 50, 90, 120], reuse=False) == [2, 0, 3]
    assert match_prompts(entries, [10, 50, 90, 120], reuse=True) == [2, 0, 2]


def test_those_without_a_length_take_any_that_is_left() -> None:
    chosen = match_prompts([TraceEntry(0), TraceEntry(1, 10), TraceEntry(2)], [10, 20, 30], reuse=False)
    assert sorted(chosen) == [0, 1, 2]
