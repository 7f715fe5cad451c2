"""What SkyPilot is given: valid by its own schema, with the net that deletes a machine whose job has ended."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from fmbench_lib.fleet.machine_task import FleetSettings, Machine, measure_script, setup_script, task_of

SCHEMAS = json.loads((Path(__file__).parent / "data/skypilot_schemas.json").read_text())
MACHINE = Machine("machine-1", "g5.2xlarge", "eu-west-1", True, ("a", "b"))
SETTINGS = FleetSettings(disk_gb=300, image="ami-0123", idle_minutes=15)


@pytest.mark.parametrize(
    ("machine", "settings"),
    [
        (MACHINE, SETTINGS),
        (replace(MACHINE, region=None, spot=False), FleetSettings()),
        (MACHINE, FleetSettings(infra="gcp/us-central1")),
    ],
)
def test_a_task_is_what_skypilot_accepts(machine: Machine, settings: FleetSettings) -> None:
    task = task_of(machine, "fmbench-machine-1-0a", "/here/input", settings)
    jsonschema.validate(task, SCHEMAS["task"])
    jsonschema.validate(task["resources"], SCHEMAS["resources"])


def test_a_task_says_which_machine_is_bought_and_when_it_is_deleted() -> None:
    assert task_of(MACHINE, "fmbench-machine-1-0a", "/here/input", SETTINGS) == {
        "name": "fmbench-machine-1-0a",
        "resources": {
            "infra": "aws/eu-west-1",
            "instance_type": "g5.2xlarge",
            "use_spot": True,
            "disk_size": 300,
            "image_id": "ami-0123",
            "autostop": {"idle_minutes": 15, "down": True},
        },
        "file_mounts": {"~/fmbench-machine": "/here/input"},
        "setup": "bash ~/fmbench-machine/setup.sh\n",
        "run": "bash ~/fmbench-machine/measure.sh\n",
    }


@pytest.mark.parametrize(("code", "expected"), [(0, 0), (1, 0), (2, 2), (130, 130)])
def test_a_machine_that_measured_has_not_failed_whatever_its_levels_came_to(
    code: int, expected: int, tmp_path: Path
) -> None:
    program = tmp_path / "fmbench-venv/bin/fmbench"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\necho "$@"\nexit {code}\n')
    program.chmod(0o755)
    script = tmp_path / "measure.sh"
    script.write_text(measure_script("my run/20260101-000000Z"))
    assert subprocess.run(["bash", str(script)], env={"HOME": str(tmp_path)}).returncode == expected
    said = (tmp_path / "results/output.txt").read_text()
    assert said == "run --resume results/my run/20260101-000000Z --results-dir results\n"


def test_what_is_installed_is_one_word_for_the_shell() -> None:
    assert setup_script("fmbench-lib[ec2]==2.1; rm -rf ~").endswith(" 'fmbench-lib[ec2]==2.1; rm -rf ~'\n")
