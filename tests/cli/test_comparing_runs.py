"""`fmbench compare`, of a recorded run with itself."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from fmbench_lib.cli.commands import main
from tests.imports.samples import VLLM, VLLM_DETAILS

RECORDED = Path(__file__).parents[1] / "report" / "data" / "recorded_run"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("runs")
    for name in ("base", "new"):
        shutil.copytree(RECORDED, folder / name, ignore=shutil.ignore_patterns("metrics"))
    return str(folder / "base"), str(folder / "new")


def test_a_run_and_its_copy_show_no_difference(
    runs: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forms = [tmp_path / f"out.{form}" for form in ("md", "json", "xml")]
    arguments = [word for form in forms for word in ("--output", str(form))]
    assert main(["compare", *runs, "--fail-on", "transactions_per_minute<-5%", *arguments]) == 0
    out = capsys.readouterr().out
    assert "7 levels: of 7 figures 3 no different, 4 not compared." in out
    assert "no difference that this data can show, it could have seen 6.2%" in out
    document = json.loads(forms[1].read_text())
    assert {claim["outcome"] for one in document["levels"] for claim in one["claims"]} == {"no difference", "no claim"}
    suite = ET.parse(forms[2]).getroot()
    assert (suite.get("tests"), suite.get("failures"), len(suite.findall(".//skipped"))) == ("7", "0", 4)
    assert "| requests/min | 460 1/min | 460 1/min | +0% (-4.1% to +4.3%) |" in forms[0].read_text()


def test_a_condition_that_is_broken_fails(
    runs: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out.xml"
    assert main(["compare", *runs, "--fail-on", "TTFT_p95>0.1", "--output", str(output)]) == 1
    out = capsys.readouterr().out
    assert "failed: TTFT_p95>0.1: one, payload_en_1-225.jsonl, concurrency 4: 0.159 s → 0.159 s" in out
    assert ET.parse(output).getroot().get("failures") == "2"


@pytest.mark.thorough
def test_two_experiments_of_one_run(runs: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", runs[0], "--match", "one=two faulty"]) == 0
    assert "the two experiments of" in capsys.readouterr().out  # their loads differ
    assert main(["compare", runs[0], "--match", "one=one", "--measures", "error_rate"]) == 0
    assert "of 4 figures 4 no different." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--measures", "latncy_p95"],
            "--measures latncy_p95: there is no measure latncy_p95; did you mean latency_p95?",
        ),
        (["--output", "x.pdf"], "--output x.pdf: the name must end in .md, .json, .xml, .html"),
        (["--match", "one"], "--match one: write EXPERIMENT=OTHER, the base's first"),
        (["--fail-on", "latency_p95"], "--fail-on latency_p95: not a condition"),
    ],
)
def test_bad_input_is_one_line(
    words: list[str], said: str, runs: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *runs, *words]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_one_run_needs_two_experiments(runs: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", runs[0]]) == 2
    assert "give two runs, or one and --match EXPERIMENT=OTHER" in capsys.readouterr().err


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, str]:
    """Runs of imported results: figures alone, figures 30% longer, and with single requests."""
    folder = tmp_path_factory.mktemp("imported")
    slower = {name: 1.3 * value if name.endswith("_ms") else value for name, value in VLLM.items()}
    for name, result in (("base", VLLM), ("slower", slower), ("detailed", {**VLLM, **VLLM_DETAILS})):
        file = folder / f"{name}.json"
        file.write_text(json.dumps(result))
        arguments = ["--experiment", "vllm", "--payload", "all", "--name", name, "--results-dir", str(folder / "runs")]
        assert main(["import", str(file), *arguments]) in (0, 1)
    base, slower_run, detailed = (
        str(next((folder / "runs" / name).iterdir())) for name in ("base", "slower", "detailed")
    )
    return base, slower_run, detailed


def test_figures_of_another_tool_stand_beside_each_other_without_a_claim(
    imported: tuple[str, str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    base, slower, _ = imported
    assert main(["compare", base, slower, "--measures", "TTFT_p50,latency_p50,error_rate", "--json"]) == 0
    (level,) = json.loads(capsys.readouterr().out)["levels"]
    by_name = {claim["measure"]: claim for claim in level["claims"]}
    assert (by_name["TTFT_p50"]["base"], by_name["TTFT_p50"]["new"]) == (0.1, pytest.approx(0.13))
    assert by_name["TTFT_p50"]["outcome"] == "no claim"
    assert "only the figures of another tool are known" in by_name["TTFT_p50"]["why_none"]
    assert by_name["latency_p50"]["why_none"] == "not known of base and new"


def test_figures_and_requests_of_one_tool_are_compared_as_far_as_they_are_known(
    imported: tuple[str, str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    base, _, detailed = imported
    assert main(["compare", base, detailed, "--measures", "TTFT_p50,TPOT_p50"]) == 0
    out = capsys.readouterr().out
    assert "of 2 figures 2 not compared" in out
    assert "of base only the figures of another tool are known, not its requests" in out
    assert main(["compare", detailed, detailed, "--match", "vllm=vllm", "--measures", "TTFT_p50"]) == 0


@pytest.mark.thorough
def test_a_missed_budget_fails_where_it_is_asked_to(
    runs: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tight = tmp_path / "runs" / "tight"
    shutil.copytree(runs[1], tight)
    config = tight / "config.yml"
    text = config.read_text()
    assert "latency_budget: 0.5" in text
    config.write_text(text.replace("latency_budget: 0.5", "latency_budget: 0.001"))
    output = tmp_path / "out.xml"
    assert main(["compare", runs[0], str(tight), "--measures", "error_rate"]) == 0
    assert (
        main(["compare", runs[0], str(tight), "--measures", "error_rate", "--fail-on-budget", "--output", str(output)])
        == 1
    )
    assert "failed: --fail-on-budget: " in capsys.readouterr().out
    assert ET.parse(output).getroot().get("failures") == "1"
    assert main(["compare", *runs, "--measures", "error_rate", "--fail-on-budget"]) == 0


def damaged(run: str, target: Path, levels: str) -> str:
    """A copy of a run in which the records of some levels were cut off."""
    shutil.copytree(run, target)
    found = list(target.glob(f"requests/{levels}.parquet"))
    assert found
    for path in found:
        path.write_bytes(path.read_bytes()[:-100])
    return str(target)


def test_a_run_without_whole_records_cannot_be_compared(
    runs: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = damaged(runs[1], tmp_path / "cut", "*/*/*")
    for words in (["compare", runs[0], cut], ["compare", cut, runs[0]], ["size", cut, "--latency-p95", "1"]):
        assert main(words) == 2
        err = capsys.readouterr().err
        assert f"{tmp_path.name}/cut: no level has figures: one · " in err
        assert "its records are damaged or cut off (" in err
        assert err.count("\n") == 1


@pytest.mark.thorough
def test_a_condition_fails_where_the_new_run_has_lost_a_level(
    runs: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut, rule = damaged(runs[1], tmp_path / "cut", "by token/*/*"), ["--fail-on", "transactions_per_minute<-5%"]
    assert main(["compare", runs[0], cut]) == 0
    lost = f"{tmp_path.name}/cut: by token · payload_en_1-225.jsonl · concurrency-3 cannot be read: its records are "
    assert lost in capsys.readouterr().out
    assert main(["compare", runs[0], cut, *rule]) == 1
    assert "failed: --fail-on: by token · " in capsys.readouterr().out
    assert main(["compare", runs[0], cut, "--match", "one=one", *rule]) == 0
    assert main(["compare", cut, runs[0], *rule]) == 0
