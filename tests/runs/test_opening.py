"""A run is found again from a copy of its config, as notebook jobs get one each."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fmbench_lib.config import redacted
from fmbench_lib.errors import RunStateError
from fmbench_lib.runs.opening import create_run, open_run, reopen_run

CONFIG = """
general: {name: test}
datasets: {filters: [{min_length_in_tokens: 1, max_length_in_tokens: 9}]}
experiments: [{name: one, platform: endpoint, ep_name: "http://a/v1/completions", concurrency_levels: [1]}]
"""


@pytest.fixture
def first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a config; runs are kept in a place that all jobs know."""
    monkeypatch.setenv("FMBENCH_RESULTS_DIR", str(tmp_path / "runs"))
    folder = tmp_path / "first"
    folder.mkdir()
    (folder / "my.yml").write_text(CONFIG)
    return folder


def test_a_run_is_found_by_a_copy_of_its_config(first: Path, tmp_path: Path) -> None:
    made = create_run(first / "my.yml")
    assert made.workspace.path.is_relative_to(tmp_path / "runs" / "test")
    shutil.move(first, tmp_path / "second")
    found = open_run(tmp_path / "second" / "my.yml")
    assert found.workspace.path == made.workspace.path
    assert found.loaded.folder == tmp_path / "second"


def test_a_run_is_not_found_by_another_config_of_that_name(first: Path, tmp_path: Path) -> None:
    create_run(first / "my.yml")
    (tmp_path / "second").mkdir()
    (tmp_path / "second" / "my.yml").write_text(CONFIG.replace("[1]", "[2]"))
    with pytest.raises(RunStateError, match="FMBENCH_RESULTS_DIR"):
        open_run(tmp_path / "second" / "my.yml")


def test_a_run_of_the_file_itself_is_preferred_to_one_of_a_copy(first: Path, tmp_path: Path) -> None:
    shutil.copytree(first, tmp_path / "second")
    own = create_run(tmp_path / "second" / "my.yml")
    create_run(first / "my.yml")
    assert open_run(tmp_path / "second" / "my.yml").workspace.path == own.workspace.path


def test_what_is_set_is_recorded_and_a_resumed_run_has_it_without_secrets(first: Path) -> None:
    given = {"--set experiments[0].inference_spec.auth.token": "abcd-1234-efgh", "--set load.requests": "7"}
    run = create_run(first / "my.yml", arguments=given)
    assert run.config.load.requests == 7
    assert run.workspace.read_run()["arguments"] == {"--set load.requests": "7"}
    assert "requests: 7" in run.workspace.config_copy.read_text()
    for file in (run.workspace.config_copy, run.workspace.run_file):
        assert "abcd-1234" not in file.read_text()
    secret = dict([next(iter(given.items()))])
    again = reopen_run(run.workspace.path, secret)
    assert redacted(again.config) == redacted(run.config)
    with pytest.raises(RunStateError, match="start a new run"):
        reopen_run(run.workspace.path, {**secret, "--set load.requests": "8"})
