"""`fmbench runs` and `fmbench site`: what is listed, chosen, tagged and deleted, and mistakes in one line."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from fmbench_lib.cli.commands import main
from fmbench_lib.cli.runs_command import moment_since
from fmbench_lib.errors import InputError
from fmbench_lib.workspace import Workspace
from tests.report.site.made_results import made_results


@pytest.fixture
def results(tmp_path: Path) -> Path:
    made_results(tmp_path / "results", 7)
    return tmp_path / "results"


def listed(results: Path, capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """The ids of the runs that are listed, as days of May."""
    capsys.readouterr()
    assert main(["runs", "--results-dir", str(results), *words, "--json"]) == 0
    (line,) = (json.loads(line) for line in capsys.readouterr().out.splitlines() if '"runs"' in line)
    return [run["run_id"][6:8] for run in line["runs"]]


@pytest.mark.parametrize(
    ("words", "days"),
    [
        ([], "04 05 06 07 08 09 10"),
        (["--model", "qwen"], "06 09"),
        (["--stack", "ec2 sglang"], "04 07 10"),
        (["--instance", "ml.*"], "05 08"),
        (["--since", "2026-05-08"], "08 09 10"),
        (["--tag", "release"], "04"),
        (["--verdict", "degraded"], "04 06 07 08 09 10"),
        (["--verdict", "invalid"], ""),
        (["--model", "llama", "--stack", "djl"], "05 08"),
        (["latest"], "10"),
        (["20260505-093000Z", "nightly/20260504-093000Z"], "04 05"),
    ],
)
def test_runs_are_chosen_by_what_they_measured(
    words: list[str], days: str, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sorted(listed(results, capsys, *words)) == days.split()


def test_a_folder_of_runs_may_be_named_alone(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", str(results)]) == 0
    assert "7 runs" in capsys.readouterr().out
    assert main(["runs", str(results), "--delete", "--yes"]) == 2
    assert "say which" in capsys.readouterr().err


def test_a_run_is_a_line(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "--results-dir", str(results), "--tag", "release"]) == 0
    line, counted = capsys.readouterr().out.splitlines()
    assert line == (
        "2026-05-04 09:30  nightly/20260504-093000Z  finished  12 valid, 4 degraded  "
        "org/llama-8b, ec2 vllm, g5.2xlarge; org/llama-8b, ec2 sglang, g5.2xlarge  #release"
    )
    assert counted == "1 of 7 runs"
    assert main(["runs", "--results-dir", str(results)]) == 0
    assert "weekly/20260505-093000Z  finished  not analysed" in capsys.readouterr().out


def test_tags_lie_in_the_run_and_are_found_again(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["runs", "--results-dir", str(results)]
    assert main([*command, "latest", "20260505-093000Z", "--add-tag", "baseline", "--add-tag", "gpu"]) == 0
    assert json.loads((results / "nightly/20260510-093000Z/tags.json").read_text()) == {"tags": ["baseline", "gpu"]}
    (results / "runs.duckdb").unlink()
    assert listed(results, capsys, "--tag", "baseline", "--tag", "gpu") == ["05", "10"]
    assert main([*command, "--tag", "gpu", "--remove-tag", "gpu"]) == 0
    assert listed(results, capsys, "--tag", "gpu") == []
    assert listed(results, capsys, "--tag", "baseline") == ["05", "10"]


@pytest.mark.parametrize(("answer", "left"), [("y\n", 5), ("n\n", 7), ("\n", 7)])
def test_runs_are_deleted_after_a_question(
    answer: str, left: int, results: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    assert main(["runs", "--results-dir", str(results), "--model", "qwen", "--delete"]) == 0
    assert "delete these 2 runs? [y/N]" in capsys.readouterr().out
    assert len(listed(results, capsys)) == left


def test_nothing_is_deleted_where_nobody_answers(
    results: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert main(["runs", "--results-dir", str(results), "latest", "--delete"]) == 2
    assert "write --yes" in capsys.readouterr().err
    assert len(listed(results, capsys)) == 7


def test_what_is_deleted_is_gone_with_the_folder_of_its_name(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "--results-dir", str(results), "nightly", "--delete", "--yes"]) == 0
    assert [path.name for path in results.iterdir() if path.is_dir()] == ["weekly"]


def test_a_run_that_is_measured_or_linked_is_not_deleted(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = results / "nightly/20260510-093000Z"
    with Workspace(path).locked("pipeline"):
        assert main(["runs", "--results-dir", str(results), "latest", "--delete", "--yes"]) == 1
    assert "is being measured by another process" in capsys.readouterr().err
    elsewhere = path.rename(tmp_path / "elsewhere")
    path.symlink_to(elsewhere)
    assert main(["runs", "--results-dir", str(results), "latest", "--delete", "--yes"]) == 1
    assert "is a link" in capsys.readouterr().err
    assert (elsewhere / "run.json").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            '{"one": {"experiment_name": "one", "platform": "sagemaker", "urls": [], "owned": true}}',
            "still stands: delete that first with fmbench cleanup",
        ),
        ("{", "cannot tell whether what it deployed still stands"),
        ("[1]", "cannot tell whether what it deployed still stands"),
    ],
)
def test_a_run_whose_endpoints_stand_or_may_is_not_deleted(
    content: str, said: str, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = results / "nightly/20260510-093000Z"
    (path / "endpoints.json").write_text(content)
    assert main(["runs", "--results-dir", str(results), "latest", "--delete", "--yes"]) == 1
    assert said in capsys.readouterr().err
    assert (path / "run.json").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--delete", "--yes"], "say which"),
        (["--add-tag", "a"], "say which"),
        (["nothing", "--add-tag", "a"], "there is no run nothing"),
        (["", "--delete", "--yes"], "there is no run ''"),
        (["latets"], "there is no run latets; did you mean latest?"),
        (["latest", "--add-tag", "two words"], "'two words' is not a tag"),
        (["latest", "--add-tag", "a", "--delete"], "either --delete, or --add-tag"),
        (["--since", "2026-02-31"], "no such date"),
    ],
)
def test_bad_input_is_one_line(words: list[str], said: str, results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "--results-dir", str(results), *words]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert len(listed(results, capsys)) == 7


def test_since_takes_dates_and_times_ago() -> None:
    assert moment_since("2026-05-04", 0.0) == 1777852800.0
    assert [moment_since(text, 1e6) for text in ("1h", "2d", "1w")] == [1e6 - 3600, 1e6 - 172800, 1e6 - 604800]
    with pytest.raises(InputError, match="no such date"):
        moment_since("2026-13-01", 0.0)
    with pytest.raises(SystemExit, match="2"):
        main(["runs", "--since", "yesterday"])


# -- the site --------------------------------------------------------------------------------------------------------


@pytest.fixture
def site(results: Path, tmp_path: Path) -> Path:
    assert main(["site", str(results), "--into", str(tmp_path / "site")]) == 0
    return tmp_path / "site"


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_site_is_a_page_and_the_reports_of_its_runs(site: Path, results: Path) -> None:
    reports = {f"runs/{path.relative_to(results).as_posix()}" for path in results.rglob("report.html")}
    assert len(reports) == 6
    assert files(site) == {"index.html", "fmbench-site.json", *reports}


def test_a_site_is_made_again_without_runs_that_are_gone(
    site: Path, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (site / "mine.txt").write_text("mine")
    assert main(["runs", "--results-dir", str(results), "weekly", "--delete", "--yes"]) == 0
    assert main(["site", str(results), "--into", str(site)]) == 0
    assert [name for name in files(site) if "weekly" in name] == []
    assert (site / "mine.txt").exists()
    assert not (site / "runs" / "weekly").exists()
    assert "3 runs, 3 with their own report" in capsys.readouterr().out


def test_a_site_among_the_results_is_no_foreign_folder(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert main(["site", str(results), "--into", str(results / "site"), "--tag", "release"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "nothing"], "there is no run to show among those asked for"),
        (["--into", "{results}"], "holds files that are no site of fmbench"),
        (["--into", "{results}/runs.duckdb"], "is a file"),
        (["--into", "{results}/runs.duckdb/site"], "cannot be made: Not a directory; name another folder"),
        (["--into", "{results}/" + "x" * 300], "File name too long; name another folder"),
    ],
)
def test_mistakes_of_a_site_are_one_line(
    words: list[str], said: str, results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["runs", "--results-dir", str(results), "--quiet"]) == 0
    capsys.readouterr()
    given = [word.format(results=results) for word in words]
    assert main(["site", str(results), *(given if "--into" in words else [*given, "--into", str(tmp_path / "s")])]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_a_folder_without_runs_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["site", str(tmp_path), "--into", str(tmp_path / "site")]) == 2
    assert "there is no run to show" in capsys.readouterr().err
    assert main(["runs", "--results-dir", str(tmp_path)]) == 0
    assert main(["runs", "latest", "--results-dir", str(tmp_path)]) == 2
    assert "there is no run in this folder: name the folder" in capsys.readouterr().err
    assert main(["runs", "--results-dir", str(tmp_path / "none")]) == 2
