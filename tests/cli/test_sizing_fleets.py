"""`fmbench size` on a recorded run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from fmbench_lib.cli.commands import main
from fmbench_lib.cli.sizing_options import per_minute, share, weight

RECORDED = Path(__file__).parents[1] / "report" / "data" / "recorded_run"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("sized") / "run"
    shutil.copytree(RECORDED, folder, ignore=shutil.ignore_patterns("metrics"))
    return str(folder)


def test_fleets_of_a_run_in_every_form(run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [tmp_path / f"fleets.{form}" for form in ("md", "json", "csv", "png")]
    outputs = [word for file in files for word in ("--output", str(file))]
    assert main(["size", run, "--rate", "600", "--latency-p95", "0.3", *outputs]) == 0
    out = capsys.readouterr().out
    assert "At 600 requests/min the cheapest is 2 copies of one (2 × m7a.xlarge): 0.46 USD/h" in out
    assert "two faulty: no level that may be used" in out
    assert "not used: concurrency 2: 16.7% of its requests failed" in out
    assert all(file.stat().st_size > 500 for file in files)
    assert json.loads(files[1].read_text())["asked"]["chosen"] == "one"


def test_one_object_a_line_for_programs(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["size", run, "--latency-p95", "0.3", "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    event = json.loads(line)
    assert event["event"] == "sizing"
    assert event["asked"] is None
    assert len(event["grid"]) == 13


def test_a_rate_that_no_fleet_carries_fails(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["size", run, "--rate", "60", "--latency-p95", "0.01"]) == 1
    assert "no fleet can be named: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--payload", "none"], "--payload none: the runs have payload_en_1-225.jsonl"),
        (["--output", "x.pdf"], "--output x.pdf: the name must end in .md, .json, .csv, .png"),
    ],
)
def test_bad_input_is_one_line(words: list[str], said: str, run: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["size", run, "--latency-p95", "1", *words]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--rate", "10/week"], "write requests per minute, such as 600, or 10/s or 36000/h"),
        (["--rate", "0"], "write requests per minute"),
        (["--headroom", "-1"], "write a number of percent from 0"),
        (["--error-rate", "200"], "write a number of percent from 0 to 100, such as 1"),
        (["--spare", "half"], "write a whole number from 0"),
        (["--prefer", "speed"], "write cost, machines, or a number from 0 to 1"),
    ],
)
def test_words_that_cannot_be_read(words: list[str], said: str, run: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["size", run, "--latency-p95", "1", *words])
    assert said in capsys.readouterr().err


def test_rates_and_shares_in_the_units_that_people_write() -> None:
    assert [per_minute(text) for text in ("600", "600/min", "10/s", "36000/h", "1,200")] == [600, 600, 600, 600, 1200]
    assert [share(text) for text in ("20", "20%", "0.5")] == [0.2, 0.2, 0.005]
    assert [weight(text) for text in ("cost", "machines", "0.7")] == [1.0, 0.0, 0.7]
