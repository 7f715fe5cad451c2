"""The six notebooks on two copies of a real model in containers, through both balancers, one after the other."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
from collections import Counter
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from fmbench_lib.deploy.ec2 import nginx
from tests.containers.images import LLAMA, NGINX
from tests.containers.podman import Engine
from tests.e2e.conftest import Finished, command, fmbench, nothing_left_running  # noqa: F401 - two are fixtures
from tests.e2e.running import KERNEL, Running, kill, wait_until

TOKEN = "distinctive-token-of-nobody"


def three_free_ports() -> int:
    """The first of three ports in a row that nothing has, below those that the kernel gives to whoever connects."""
    for first in range(20_000 + 3 * (os.getpid() % 3000), 32_000, 3):
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for port in range(first, first + 3):
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
            return first
    raise AssertionError("no ports are free")


def experiment(name: str, port: int, **ec2: str) -> dict[str, object]:
    return {
        "name": name,
        "platform": "ec2",
        "deploy": True,
        "model_id": "smollm2-135m-instruct",
        "image_uri": LLAMA,
        "ep_name": f"http://127.0.0.1:{port}/v1/chat/completions",
        "tokenizer": "words",
        "instance_type": "test-machine",
        "inference_spec": {
            "container_type": "llama_server",
            "model_copies": 2,
            "shm_size": "64m",
            "cli_params": "--ctx-size 512 --parallel 1 --threads 1",
        },
        "ec2": {"model_loading_timeout": 60, **ec2},
        "payload_files": ["short.jsonl"],
        "concurrency_levels": [2],
    }


def written_config(folder: Path, *experiments: dict[str, object]) -> Path:
    rows = [{"input": f"What is item {n}?", "context": f"Item {n} is number {n}."} for n in range(20)]
    (folder / "source.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = {
        "general": {"name": "containers"},
        "s3_read_data": {"source_data_files": ["source.jsonl"]},
        "datasets": {
            "prompt_template_keys": ["input", "context"],
            "question_col_key": "input",
            "filters": [{"min_length_in_tokens": 1, "max_length_in_tokens": 110, "payload_file": "short.jsonl"}],
        },
        "pricing": {"test-machine": 3.6},
        "inference_parameters": {"max_tokens": 4, "temperature": 0},
        "load": {"requests": 6, "warmup_requests": 2, "timeout": 60, "prompt_reuse": "never"},
        "experiments": list(experiments),
    }
    path = folder / "containers.yml"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture
def finished(engine: Engine, fmbench: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Finished:  # noqa: F811
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    port = three_free_ports()
    behind = experiment("nginx", port, balancer="nginx", balancer_image=NGINX)
    path = written_config(tmp_path, experiment("ours", port), behind)
    done: Finished = fmbench("--config-file", path)  # type: ignore[operator]
    assert done.code == 0, done.out + done.err
    return done


@pytest.mark.thorough
def test_two_copies_are_measured_through_both_balancers_and_removed(finished: Finished, engine: Engine) -> None:
    endpoints = finished.read("endpoints.json")
    ours, behind = endpoints["ours"], endpoints["nginx"]
    assert engine.containers() == []
    assert ours["status"] == behind["status"] == "deleted"
    assert ours["deleted_at"] <= behind["created_at"]  # they want one port, so one came after the other

    summary = pd.read_csv(finished.run / "metrics" / "all_metrics_summary.csv")
    assert dict(zip(summary["experiment_name"], summary["successes"], strict=True)) == {"ours": 6, "nginx": 6}
    assert len(ours["urls"]) == 2
    assert len(behind["urls"]) == 1
    assert set(requests_of(finished, "ours")) == set(ours["urls"])
    assert set(requests_of(finished, "nginx")) == set(behind["urls"])
    per_copy = nginx.requests_per_copy((finished.run / "logs" / log_name(behind, "balancer")).read_text().splitlines())
    assert set(per_copy) == {f"127.0.0.1:{one['port']}" for one in behind["resources"] if one["role"] == "copy"}
    assert per_copy.total() == 6 + 2 + 1  # measured, warm-up, the request that showed that it answers
    assert min(per_copy.values()) >= 3

    for endpoint in (ours, behind):
        for one in endpoint["resources"]:
            assert one["image_id"] == f"sha256:{engine.run('inspect', '--format={{.Id}}', one['image']).strip()}"
            assert Path(one["log_file"]).stat().st_size > 0
    served = (finished.run / "logs" / log_name(ours, "copy")).read_text()
    assert len(re.findall("launch_slot_", served)) >= 3
    assert TOKEN not in "".join(path.read_text(errors="replace") for path in finished.run.rglob("*") if path.is_file())
    compose = yaml.safe_load((finished.run / "containers" / "nginx" / "compose.yml").read_text())
    assert list(compose["services"]) == [one["name"] for one in behind["resources"]]


@pytest.mark.thorough
def test_a_run_that_is_killed_while_it_deploys_leaves_nothing_that_cleanup_does_not_find(
    engine: Engine, tmp_path: Path
) -> None:
    running = Running(written_config(tmp_path, experiment("ours", three_free_ports())), tmp_path / "results")
    wait_until(lambda: len(engine.containers()) == 2)
    kill(running, [KERNEL, "fmbench"])
    assert len(engine.containers()) == 2
    done = subprocess.run(command("cleanup", running.run), capture_output=True, text=True, check=False)
    assert (done.returncode, engine.containers()) == (0, []), done.stderr
    assert len(list((running.run / "logs").glob("*-ours-*.log"))) == 2


@pytest.mark.thorough
def test_a_container_killed_while_it_is_measured_costs_what_it_had_not_answered(engine: Engine, tmp_path: Path) -> None:
    alone = one_copy(tmp_path, concurrency_levels=[1, 2])
    running = Running(alone, tmp_path / "results")
    wait_until(lambda: running.measuring(after_levels=0))
    (name,) = engine.containers()
    engine.run("kill", name)
    code, said = running.end()
    assert (code, engine.containers()) == (1, []), said
    assert "Traceback" not in said
    attention = json.loads((running.run / "summary.json").read_text())["attention"]
    assert any("the endpoint is gone: container" in line and "ended with code 137" in line for line in attention)
    assert (running.run / "logs" / f"{name}.log").stat().st_size > 0


@pytest.mark.thorough
def test_ctrl_c_while_it_deploys_leaves_nothing(engine: Engine, tmp_path: Path) -> None:
    running = Running(one_copy(tmp_path), tmp_path / "results")
    wait_until(engine.containers)
    os.killpg(running.process.pid, signal.SIGINT)
    code, said = running.end()
    assert (code, engine.containers()) == (130, []), said
    assert "Traceback" not in said
    assert json.loads((running.run / "endpoints.json").read_text())["ours"]["status"] == "deleted"


def one_copy(folder: Path, **changes: object) -> Path:
    alone = experiment("ours", three_free_ports()) | changes
    alone["inference_spec"] = {**alone["inference_spec"], "model_copies": 1}  # type: ignore[dict-item]
    return written_config(folder, alone)


def requests_of(finished: Finished, name: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for path in finished.run.glob(f"requests/{name}/*/*.parquet"):
        found.update(pq.read_table(path).to_pandas()["endpoint"])
    return found


def log_name(endpoint: dict[str, object], role: str) -> str:
    resources = json.loads(json.dumps(endpoint["resources"]))
    return next(Path(one["log_file"]).name for one in resources if one["role"] == role)
