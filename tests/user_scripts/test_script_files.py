"""Where scripts are found, and what they must define."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.config import Config, Experiment
from fmbench_lib.errors import InputError
from fmbench_lib.user_scripts import script_files as files

DEPLOY = "def deploy(experiment_config, role_arn):\n    return 'x'\n"


@pytest.fixture
def config() -> Config:
    return Config.model_validate(
        {
            "general": {"name": "x"},
            "datasets": {"filters": []},
            "experiments": [],
            "aws": {"bucket": "my-results"},
            "s3_read_data": {"read_bucket": "my-sources", "script_files": ["listed.py"]},
        }
    )


def experiment(**keys: Any) -> Experiment:
    given = {"platform": "user_script", "protocol": "user_script", "deploy": True, **keys}
    return Experiment.model_validate({"name": "x", "payload_files": [], **given})


def test_the_configs_folder_comes_first(config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    near, current = tmp_path / "near", tmp_path / "current"
    for index in (near / "scripts", current):
        index.mkdir(parents=True)
        (index / "mine.py").write_text("")
    monkeypatch.chdir(current)
    assert files.script_file(config, "mine.py", [near]) == near / "scripts" / "mine.py"
    (near / "mine.py").write_text("")
    assert files.script_file(config, "./mine.py", [near]) == near / "mine.py"
    assert files.script_file(config, "mine.py", [tmp_path]) == current / "mine.py"
    with pytest.raises(InputError, match=r"other\.py was not found in .*near"):
        files.script_file(config, "other.py", [near])


def test_scripts_come_only_from_the_runs_own_buckets(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task: list[tuple[str, str]] = []

    def copied(address: str, what: str) -> str:
        task.append((address, what))
        return str(tmp_path / "copy.py")

    monkeypatch.setattr(files, "local_copy", copied)
    for name in ("s3://my-results/a/b.py", "s3://my-sources/b.py", "listed.py"):
        assert files.script_file(config, name, [tmp_path]) == tmp_path / "copy.py"
    assert [address for address, _ in task] == [
        "s3://my-results/a/b.py",
        "s3://my-sources/b.py",
        "s3://my-sources/scripts/listed.py",
    ]
    with pytest.raises(InputError, match=r"s3://strange/b\.py is not in a bucket of this run"):
        files.script_file(config, "s3://strange/b.py", [tmp_path])


def test_a_script_is_checked_without_running_it(config: Config, tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    wanted = experiment(deployment_script="mine.py", inference_script="mine.py")
    mine.write_text(f"raise SystemExit('it was run')\n{DEPLOY}")
    assert files.deployment_file(config, wanted, [tmp_path]) == mine
    with pytest.raises(InputError, match=r"has no function create_predictor\(endpoint_name"):
        files.inference_file(config, wanted, [tmp_path])
    mine.write_text("from elsewhere import make as create_predictor\nclass A:\n    def deploy(self): ...\n")
    assert files.inference_file(config, wanted, [tmp_path]) == mine
    with pytest.raises(InputError, match="has no function deploy"):
        files.deployment_file(config, wanted, [tmp_path])
    mine.write_text("def deploy(:\n")
    with pytest.raises(InputError, match="is not valid Python"):
        files.deployment_file(config, wanted, [tmp_path])


def test_fmbench2_scripts_and_undeployed_experiments_need_no_file(config: Config, tmp_path: Path) -> None:
    known = experiment(platform="sagemaker", protocol="sagemaker", deployment_script="jumpstart.py")
    assert files.deployment_file(config, known, [tmp_path]) is None
    assert files.inference_file(config, known, [tmp_path]) is None
    left = experiment(deploy=False, deployment_script="gone.py")
    assert files.deployment_file(config, left, [tmp_path]) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("from fmbench.utils import count_tokens, write_to_s3", r"mine\.py, line 2: fmbench has no fmbench\.utils\.w"),
        ("from fmbench import globals", r"line 2: fmbench has no fmbench\.globals for scripts"),
        ("import json, fmbench.scripts.pricing as pricing", r"line 2: fmbench has no module fmbench\.scripts\.pricing"),
        ("from fmbench.scripts import constants, defaults", r"line 2: fmbench has no fmbench\.scripts\.defaults"),
        ("from fmbench.utils import *\nfrom fmbench import __version__\nimport fmbench.utils, fmbenchmarks", ""),
        ("try:\n    from fmbench.utils import write_to_s3\nexcept ImportError:\n    write_to_s3 = None", ""),
        ("from .fmbench import anything", ""),
    ],
)
def test_an_import_that_will_fail_is_found_before_the_run(config: Config, tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "mine.py").write_text(f'"""Mine."""\n{text}\n{DEPLOY}')
    mine = experiment(deployment_script="mine.py", inference_script="mine.py")
    if not why:
        assert files.deployment_file(config, mine, [tmp_path]) == tmp_path / "mine.py"
        return
    with pytest.raises(InputError, match=why):
        files.deployment_file(config, mine, [tmp_path])
