"""Containers: throughput of two copies of a real model against one, through both balancers.

llama.cpp's server with the embedded model in podman containers (as root; `.ci/run` lists the packages), each copy with
an equal share of the machine's cores, as platform `ec2` assigns them. A single copy has all cores.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import yaml
from output import print_table, write_result

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from fmbench_lib.deploy.ec2 import nginx  # noqa: E402
from fmbench_lib.host.atomic_files import read_json  # noqa: E402
from tests.containers.images import LLAMA, NGINX, llama_image, nginx_image  # noqa: E402
from tests.containers.podman import podman  # noqa: E402

COLUMNS = (
    ("experiment", "experiment"),
    ("copies", "copies"),
    ("concurrency", "concurrency"),
    ("requests", "requests"),
    ("tokens_per_s", "tokens out/s"),
    ("requests_per_minute", "requests/min"),
    ("ttft_p50", "TTFT p50 s"),
    ("tpot_p50", "TPOT p50 s"),
    ("per_copy", "requests each copy got"),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=16)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[4])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fmbench-") as folder, podman(Path(folder) / "p") as engine:
        llama_image(engine.command)
        nginx_image(engine.command)
        config = Path(folder) / "containers.yml"
        config.write_text(yaml.safe_dump(_config(given.requests, given.concurrency), sort_keys=False))
        environment = {**os.environ, "DOCKER_HOST": engine.address, "PYTHONPATH": str(ROOT)}
        results = Path(folder) / "results"
        words = ["--config-file", str(config), "--results-dir", str(results), "--allow-invalid"]
        done = subprocess.run([sys.executable, "-m", "fmbench_lib", *words], env=environment, check=False)
        (run,) = results.glob("*/*Z*")
        rows, left = _rows(run), engine.containers()
    print_table(COLUMNS, rows)
    print(f"exit code {done.returncode}, containers left: {', '.join(left) or 'none'}")
    write_result("containers", {"rows": rows, "exit_code": done.returncode, "containers_left": left})
    return 0 if done.returncode == 0 and not left else 1


def _config(requests: int, concurrency: list[int]) -> dict[str, Any]:
    def experiment(name: str, copies: int, balancer: str) -> dict[str, Any]:
        return {
            "name": name,
            "platform": "ec2",
            "deploy": True,
            "model_id": "smollm2-135m-instruct",
            "tokenizer": "words",
            "image_uri": LLAMA,
            "ep_name": "http://127.0.0.1:8080/v1/chat/completions",  # one port: they run one after the other
            "instance_type": "local-cpu",
            "inference_spec": {
                "container_type": "llama_server",
                "model_copies": copies,
                "cli_params": f"--ctx-size {2048 // copies} --parallel {4 // copies}",
            },
            "ec2": {"model_loading_timeout": 120, "balancer": balancer, "balancer_image": NGINX},
            "payload_files": ["all.jsonl"],
            "concurrency_levels": concurrency,
        }

    return {
        "general": {"name": "containers"},
        "datasets": {
            "prompt_template_keys": ["input", "context"],
            "question_col_key": "input",
            "filters": [{"min_length_in_tokens": 1, "max_length_in_tokens": 150, "payload_file": "all.jsonl"}],
        },
        "pricing": {"local-cpu": 0.05},
        "inference_parameters": {"max_tokens": 16, "temperature": 0},
        "load": {"requests": requests, "warmup_requests": 4, "timeout": 120, "prompt_reuse": "allowed"},
        "experiments": [
            experiment("one copy", 1, "client"),
            experiment("two copies, our client", 2, "client"),
            experiment("two copies, nginx", 2, "nginx"),
        ],
    }


def _rows(run: Path) -> list[dict[str, Any]]:
    summary = pd.read_csv(run / "metrics" / "all_metrics_summary.csv")
    endpoints = read_json(run / "endpoints.json")
    return [
        {
            "experiment": row["experiment_name"],
            "copies": sum(one["role"] == "copy" for one in endpoints[row["experiment_name"]]["resources"]),
            "concurrency": int(row["concurrency"]),
            "requests": int(row["successes"]),
            "tokens_per_s": round(row["completion_token_throughput"], 1),
            "requests_per_minute": round(row["transactions_per_minute"], 1),
            "ttft_p50": round(row["TTFT_p50"], 3),
            "tpot_p50": round(row["TPOT_p50"], 4),
            "per_copy": _per_copy(run, endpoints[row["experiment_name"]]),
        }
        for _, row in summary.iterrows()
    ]


def _per_copy(run: Path, endpoint: dict[str, Any]) -> str:
    """Requests per copy over all levels, warm-up included, from the records or from nginx's log."""
    balancer = next((one for one in endpoint["resources"] if one["role"] == "balancer"), None)
    found: Counter[str] = Counter()
    if balancer is not None:
        found = nginx.requests_per_copy(Path(balancer["log_file"]).read_text().splitlines())
    else:
        for path in run.glob(f"requests/{endpoint['experiment_name'].replace(',', '%2C')}/*/*.parquet"):
            found.update(pq.read_table(path, columns=["endpoint"]).to_pandas()["endpoint"])
    return " + ".join(map(str, sorted(found.values())))


if __name__ == "__main__":
    sys.exit(main())
