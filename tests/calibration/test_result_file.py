from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fmbench_lib import __version__
from fmbench_lib.calibration.result_file import calibration_file, reference, store
from fmbench_lib.cli import commands as cli
from fmbench_lib.errors import InputError
from fmbench_lib.host.facts import host_facts
from fmbench_lib.metrics.decision.wording import reach_sentence
from fmbench_lib.report.calibration import calibration_lines
from fmbench_lib.runs.opening import create_run
from fmbench_lib.steps import client_calibration as calibration
from fmbench_lib.steps.reporting.report_inputs import analysis_of, report_inputs
from fmbench_lib.steps.setup import set_up

CONFIG = """
general: {name: mine}
datasets: {filters: [{language: en, min_length_in_tokens: 1, max_length_in_tokens: 500}]}
load: {requests: 8}
experiments:
- name: mine
  platform: endpoint
  ep_name: http://127.0.0.1:9/v1/chat/completions
  tokenizer: words
  instance_type: local
  concurrency_levels: [1]
"""
WITHIN = {"1_ms": {"streams": 64, "events_per_second": 6133.0}, "5_ms": {"streams": None, "events_per_second": None}}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    return tmp_path


def document(**more: Any) -> dict[str, Any]:
    facts = {"schema": 1, "fmbench": __version__, "date": "2026-11-24T02:19:07+00:00", "machine": host_facts()}
    return {**facts, "within": WITHIN, "levels": [], **more}


def test_it_is_kept_in_the_users_data_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert calibration_file() == home / ".local" / "share" / "fmbench" / "calibration.json"
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    assert store(document()) == home / "data" / "fmbench" / "calibration.json"
    assert json.loads(calibration_file().read_text())["within"] == WITHIN
    assert [path.name for path in calibration_file().parent.iterdir()] == ["calibration.json"]


def test_a_folder_that_cannot_be_written_to_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "data").write_text("a file")
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    with pytest.raises(InputError, match=r"data/fmbench/calibration\.json: cannot write the calibration"):
        store(document())


def test_without_one_there_is_nothing_to_refer_to() -> None:
    assert reference() is None


def test_a_run_refers_to_it_without_the_name_of_the_user() -> None:
    store(document())
    assert reference() == {
        "file": "~/.local/share/fmbench/calibration.json",
        "date": "2026-11-24T02:19:07+00:00",
        "fmbench": __version__,
        "same_machine": True,
        "same_version": True,
        "within": WITHIN,
        "error": None,
    }


def test_another_machine_or_version_is_told_from_this_one() -> None:
    store(document(machine={**host_facts(), "cores": 96}))
    assert reference()["same_machine"] is False
    store(document(machine={**host_facts(), "system": "Linux 99.0", "executable": "python9"}, fmbench="0.0.1"))
    found = reference()
    assert (found["same_machine"], found["same_version"], found["fmbench"]) == (True, False, "0.0.1")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"date": "x", "fmbench": "1", "machine": 3}', "\0"])
def test_one_that_cannot_be_read_is_said_to_be_so(content: str) -> None:
    store({})
    calibration_file().write_text(content)
    found = reference()
    assert set(found) == {"file", "error"}
    assert found["error"]


def test_the_command_shows_and_keeps_what_it_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []

    def made(streams: Any, rates: Any, seconds: float, on_row: Any) -> dict[str, Any]:
        asked.append((tuple(streams), tuple(rates), seconds))
        return document()

    monkeypatch.setattr(calibration, "calibrate", made)
    assert cli.main(["calibrate"]) == 0
    assert cli.main(["calibrate", "--streams", "64, 8,8", "--event-rates", "100", "--quick"]) == 0
    assert asked == [((8, 64, 256, 512), (5000.0, 20000.0, 40000.0), 10.0), ((8, 64), (100,), 3.0)]
    said = capsys.readouterr().out
    assert "up to 64 streams and 6,133 content events per second within 1 ms, at no load within 5 ms" in said
    assert f"saved to {calibration_file()}" in said
    assert json.loads(calibration_file().read_text())["within"] == WITHIN


def test_a_run_takes_note_of_it_and_its_report_cites_it(home: Path) -> None:
    store(document())
    config = home / "mine.yml"
    config.write_text(CONFIG)
    run = create_run(config, results=home / "results")
    set_up(run)
    assert run.workspace.read_run()["calibration"] == reference()
    calibration_file().unlink()  # the run keeps what it has seen
    said = calibration_lines(report_inputs(run, analysis_of(run)))
    assert said[0].startswith(reach_sentence(WITHIN))


def test_a_run_without_one_has_none(home: Path) -> None:
    config = home / "mine.yml"
    config.write_text(CONFIG)
    run = create_run(config, results=home / "results")
    set_up(run)
    assert run.workspace.read_run()["calibration"] is None
    assert report_inputs(run, analysis_of(run)).run.calibration is None


@pytest.mark.parametrize("given", ["8,x", "0", "", "8,,9", "-1", "1.5"])
def test_loads_that_are_none_are_refused(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["calibrate", f"--streams={given}"])
    assert ended.value.code == 2
    assert "write whole numbers above 0" in capsys.readouterr().err
