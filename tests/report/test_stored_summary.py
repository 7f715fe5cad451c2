"""The summary of a finished run, read back: a damaged one is one line with what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.errors import RunStateError
from fmbench_lib.report.stored_summary import read_summary
from fmbench_lib.workspace import Workspace

LEVEL = {
    "experiment_name": "a",
    "payload_file": "p",
    "load": "concurrency-1",
    "errors_by_class": {},
    "latency_p95": 1.0,
}
WHOLE: dict[str, Any] = {"run": {"name": "n"}, "decision": {"text": "t"}, "levels": [LEVEL]}


def test_a_whole_summary_is_read(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text(json.dumps(WHOLE))
    assert read_summary(Workspace(tmp_path), "latest") == WHOLE


@pytest.mark.parametrize(
    "content",
    [
        "",
        "null",
        "[]",
        "{}",
        json.dumps(WHOLE)[:-9],
        json.dumps(WHOLE | {"run": None}),
        json.dumps(WHOLE | {"decision": []}),
        json.dumps(WHOLE | {"levels": {"a": LEVEL}}),
        json.dumps(WHOLE | {"levels": [None]}),
        json.dumps(WHOLE | {"levels": [LEVEL | {"load": 3}]}),
        json.dumps(WHOLE | {"levels": [LEVEL | {"latency_p95": [1.0]}]}),
        b"\xff\xfe\x00",
        "[" * 100_000,
    ],
)
def test_a_damaged_summary_is_one_line_that_says_how_to_write_it_again(content: str | bytes, tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(RunStateError) as caught:
        read_summary(Workspace(tmp_path), "latest")
    assert str(caught.value).startswith(f"cannot read {tmp_path}/summary.json: ")
    assert str(caught.value).endswith(": run `fmbench report latest` to write it again")


def test_a_summary_that_is_not_there_or_a_folder(tmp_path: Path) -> None:
    with pytest.raises(RunStateError, match="latest is not analysed yet: run `fmbench report latest` first"):
        read_summary(Workspace(tmp_path), "latest")
    (tmp_path / "summary.json").mkdir()
    with pytest.raises(RunStateError, match="Is a directory"):
        read_summary(Workspace(tmp_path), "latest")
