"""The workflow that ships: its form, and that its commands do what it says, against the emulators that it names."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from fmbench_lib.cli.commands import main
from fmbench_lib.cli.parser import parser
from fmbench_lib.metrics.comparison.conditions import conditions

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "workflows"
WORKFLOW, CONFIG = FOLDER / "compare.yml", FOLDER / "compare_config.yml"
NOT_HERE = ("Install", "Comment on the pull request")


@pytest.fixture(scope="module")
def workflow() -> dict[str, Any]:
    """The workflow; YAML 1.1 reads its key `on` as true."""
    loaded: dict[Any, Any] = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    return {"on" if key is True else key: value for key, value in loaded.items()}


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = workflow["jobs"]["compare"]["steps"]
    return found


def linted(path: Path) -> subprocess.CompletedProcess[str]:
    """Check a file against GitHub's published schema of workflows, which comes with the linter."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_workflow_satisfies_the_published_schema() -> None:
    done = linted(WORKFLOW)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("runs-on:", "runs-onn:"),
        ("pull-requests: write", "pull-requests: all"),
        ("timeout-minutes: 30", "timeout-minutes: soon"),
    ],
)
def test_the_schema_finds_a_slip(tmp_path: Path, right: str, wrong: str) -> None:
    broken = tmp_path / "broken.yml"
    broken.write_text(WORKFLOW.read_text(encoding="utf-8").replace(right, wrong, 1), encoding="utf-8")
    assert linted(broken).returncode == 1


def test_each_step_is_named_or_an_action_of_a_fixed_version_and_the_job_ends(workflow: dict[str, Any]) -> None:
    assert all(job["timeout-minutes"] <= 60 for job in workflow["jobs"].values())
    for step in steps(workflow):
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step["uses"])
        else:
            assert step["name"]


def test_no_text_of_a_stranger_becomes_part_of_a_command(workflow: dict[str, Any]) -> None:
    assert [step["name"] for step in steps(workflow) if "${{" in step.get("run", "")] == []


def test_its_scripts_are_bash_and_its_variables_are_set(workflow: dict[str, Any]) -> None:
    for step in steps(workflow):
        if "run" not in step:
            continue
        done = subprocess.run(["bash", "-n", "-c", step["run"]], capture_output=True, text=True, check=False)
        assert done.stderr == ""
        used = set(re.findall(r"\$([A-Z_]+)", step["run"]))
        assert used <= {*workflow["env"], *step.get("env", {})}


def test_its_commands_are_ours_and_its_config_is_valid(
    workflow: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    commands = [line for step in steps(workflow) for line in _commands(step.get("run", ""))]
    assert [words[1] for words in commands] == ["run", "compare"]
    for words in commands:
        parser().parse_args(words[1:])
    assert len(conditions([workflow["env"]["FAIL_ON"]])) == 3
    assert main(["validate", str(CONFIG)]) == 0
    assert "ok" in capsys.readouterr().out


def _commands(script: str) -> list[list[str]]:
    """The commands of fmbench in a script."""
    words = [shlex.split(line) for line in script.splitlines() if line.startswith("fmbench ")]
    return [[word for word in one if word != "&&"] for one in words]


def run_steps(workflow: dict[str, Any], folder: Path, **replaced: str) -> subprocess.CompletedProcess[str]:
    """Run the steps that need no GitHub, as one script, in a folder that has the config."""
    shutil.copy(CONFIG, folder)
    scripts = [step["run"] for step in steps(workflow) if "run" in step and step["name"] not in NOT_HERE]
    environment = {
        **os.environ,
        **workflow["env"],
        **replaced,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
    }
    script = "\n".join(["set -eo pipefail", "trap 'kill $(jobs -p)' EXIT", *scripts])
    return subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.thorough
def test_equal_servers_pass(workflow: dict[str, Any], tmp_path: Path) -> None:
    done = run_steps(workflow, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "## " in (tmp_path / "comparison.md").read_text(encoding="utf-8")
    assert "compare" in (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert 'failures="0"' in (tmp_path / "comparison.xml").read_text(encoding="utf-8")


@pytest.mark.thorough
def test_a_slower_server_fails(workflow: dict[str, Any], tmp_path: Path) -> None:
    slower = workflow["env"]["SERVE_NEW"].replace("--itl 0.004", "--itl 0.006")
    done = run_steps(workflow, tmp_path, SERVE_NEW=slower)
    assert done.returncode == 1, done.stdout + done.stderr
    text = (tmp_path / "comparison.md").read_text(encoding="utf-8")
    assert "**Failed**" in text
    assert "latency\\_p95" in text or "latency_p95" in text
    assert (tmp_path / "comparison.html").stat().st_size > 10_000
