"""What is left when something of a cluster is killed in mid-level: each kind of process, at random instants.

A driver measures three short levels on a Ray cluster of two nodes of this machine, one of them measured again where it
is invalid, as `load.retry_invalid: 1` does. Meanwhile a load worker, an agent (Ray's actor), a node's raylet or the
driver is killed by SIGKILL. A driver that was killed is started again, as by `--resume`.

    python benchmarks/cluster_deaths.py [--times 40] [--seed 1]

Needs Ray. Fails where a level is missing at the end, a finished one was measured again, one that lost a node says
nothing of it, or a load worker or a socket to the endpoint is left.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
from output import print_table, write_result

from fmbench_lib.config import Experiment
from fmbench_lib.config.ray_settings import RaySettings
from fmbench_lib.config.schema.load_section import LoadSection, load_settings
from fmbench_lib.config.schema.stop_rule import StopRule
from fmbench_lib.emulator import Behaviour, Constant, launch
from fmbench_lib.load.cluster.cluster_executor import ClusterExecutor
from fmbench_lib.load.cluster.ray_nodes import ray_cluster
from fmbench_lib.load.levels.deal import Deal
from fmbench_lib.load.levels.specs import LevelSpec
from fmbench_lib.load.measure import ExperimentLoad, measure_level
from fmbench_lib.load.recording.records import read_level
from fmbench_lib.metrics.level_row import level_row
from fmbench_lib.predictors.openai import OpenAiPredictor

KINDS = ("worker", "agent", "raylet", "driver")
LEVELS = 3
SECONDS = 1.5
LEAST_S, MOST_S = 0.3, 6.0
"""After the driver has joined the cluster: a level takes about two seconds."""
GONE_S = 15.0
COLUMNS = (
    ("kind", "killed"),
    ("times", "times"),
    ("in_a_level", "in a level"),
    ("invalid", "levels invalid"),
    ("lost", "finished levels lost"),
    ("twice", "measured twice"),
    ("missing", "missing"),
    ("unsaid", "not said"),
    ("left", "processes left"),
    ("sockets", "sockets left"),
)


def drive(address: str, url: str, folder: Path) -> None:
    """Measure the levels that have no file yet; those that are invalid once more. Notes each beginning and end."""
    predictor = OpenAiPredictor(url, "m")
    payload = [{"prompt_id": f"q{n}", "prompt": f"Question {n}?", "prompt_tokens": 3} for n in range(40)]
    given = {"name": "e", "platform": "endpoint", "protocol": "openai", "deploy": False, "payload_files": ["p.jsonl"]}
    experiment = Experiment.model_validate(given)
    load = load_settings(LoadSection(prompt_reuse="allowed", timeout=10))
    with ray_cluster(RaySettings(address)) as cluster:
        measured = ExperimentLoad((url,), predictor, None, "words", load, 1, executor=ClusterExecutor(cluster))
        note(folder, "joined")
        for number in range(LEVELS):
            spec = LevelSpec(experiment, "p.jsonl", 4, None, StopRule(requests=None, duration=SECONDS), 4)
            target = folder / f"level-{number}.parquet"
            for attempt in range(3):
                if target.exists() and row_of(target)["verdict"] != "invalid":
                    break
                if target.exists():
                    target.replace(folder / f"level-{number}-{attempt}.invalid")
                note(folder, f"begun {number}")
                with contextlib.suppress(Exception):
                    measure_level(spec, Deal((0, 1, 2, 3), tuple(range(4, 40)), None), payload, measured, target,
                                  folder / "scratch")  # fmt: skip
                    note(folder, f"done {number} {target.stat().st_mtime_ns}")


def note(folder: Path, words: str) -> None:
    """A line in the driver's log."""
    with (folder / "log").open("a", encoding="utf-8") as log:
        log.write(words + "\n")


def row_of(path: Path) -> dict[str, Any]:
    """A level's row."""
    return dict(level_row(*read_level(path)))


def started(address: str, url: str, folder: Path) -> subprocess.Popen[bytes]:
    """A driver, once it has joined the cluster."""
    before = log_of(folder).count("joined")
    command = [sys.executable, __file__, "--drive", address, url, str(folder)]
    with (folder / "output").open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    wait_until(lambda: log_of(folder).count("joined") > before or process.poll() is not None, 60)
    return process


def log_of(folder: Path) -> list[str]:
    """The driver's log."""
    path = folder / "log"
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether the condition came true in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and not condition():
        time.sleep(0.02)
    return condition()


def own(words: str) -> list[psutil.Process]:
    """The processes whose command line has these words, of those that this one and its cluster have started."""
    return [process for process in psutil.Process().children(recursive=True) if words in words_of(process)]


def workers_left() -> list[psutil.Process]:
    """The load workers of nodes, whosever children they have become."""
    return [process for process in psutil.process_iter() if "/fmbench-node-" in words_of(process)]


def words_of(process: psutil.Process) -> str:
    """Its command line; empty where it is gone."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def sockets_to(url: str) -> int:
    """Connections to the endpoint that are open."""
    port = int(url.split(":")[2].partition("/")[0])
    count = 0
    for connection in psutil.net_connections("tcp"):
        count += bool(connection.raddr and connection.raddr.port == port and connection.status == "ESTABLISHED")
    return count


class ClusterHere:
    """A Ray cluster of a head and another node, which is replaced when its raylet was killed."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self._node = {"num_cpus": 1, "object_store_memory": 80 << 20}
        self.cluster = Cluster(initialize_head=True, head_node_args={**self._node, "include_dashboard": False})
        self.second = self.cluster.add_node(**self._node)

    def kill_raylet(self) -> None:
        """Kill the second node's raylet, and all that is its own."""
        self.cluster.remove_node(self.second, allow_graceful=False)

    def renew(self) -> None:
        """A second node again."""
        self.second = self.cluster.add_node(**self._node)


def kill(kind: str, driver: subprocess.Popen[bytes], here: ClusterHere, source: random.Random) -> None:
    """Kill one process of a kind."""
    if kind == "driver":
        driver.send_signal(signal.SIGKILL)
    elif kind == "raylet":
        here.kill_raylet()
    else:
        words = "fmbench_lib.load.sending.worker" if kind == "worker" else "ray::NodeAgent"
        found = own(words)
        if found:
            with contextlib.suppress(psutil.Error):
                source.choice(found).kill()


def one(kind: str, here: ClusterHere, url: str, source: random.Random) -> Counter[str]:
    """Kill something of this kind once, and count what came of it."""
    seen: Counter[str] = Counter({"times": 1})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        driver = started(here.cluster.address, url, folder)
        time.sleep(source.uniform(LEAST_S, MOST_S))
        log = log_of(folder)
        seen["in_a_level"] += sum(line.startswith("begun") for line in log) > sum(line[:4] == "done" for line in log)
        finished = {path: path.stat().st_mtime_ns for path in folder.glob("*.parquet")}
        kill(kind, driver, here, source)
        if kind == "driver":
            driver.wait()
            seen["left"] += not wait_until(lambda: not workers_left(), GONE_S)
            driver = started(here.cluster.address, url, folder)
        driver.wait(120)
        seen += judged(folder, finished)
        if kind == "raylet":
            here.renew()
    seen["left"] += not wait_until(lambda: not workers_left(), GONE_S)
    seen["sockets"] += not wait_until(lambda: not sockets_to(url), GONE_S)
    return seen


def judged(folder: Path, finished: dict[Path, int]) -> Counter[str]:
    """What the files of a driver say."""
    seen: Counter[str] = Counter()
    valid = [path for path in folder.glob("*.parquet") if row_of(path)["verdict"] != "invalid"]
    seen["missing"] += LEVELS - len(valid)
    for path, written in finished.items():
        seen["lost"] += not path.exists()
        seen["twice"] += path.exists() and path.stat().st_mtime_ns != written
    for path in folder.glob("*.invalid"):
        row = row_of(path)
        seen["invalid"] += 1
        if " was lost (" not in str(row["verdict_reasons"]):
            seen["unsaid"] += 1
            print(f"{path.name}: {row['verdict_reasons']}", file=sys.stderr, flush=True)
    if seen["missing"]:
        print((folder / "output").read_text()[-2000:], log_of(folder), file=sys.stderr)
    return seen


def main(argv: Sequence[str]) -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--times", type=int, default=40)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--drive", nargs=3, help=argparse.SUPPRESS)
    given = options.parse_args(argv)
    if given.drive:
        drive(given.drive[0], given.drive[1], Path(given.drive[2]))
        return 0
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    source = random.Random(given.seed)
    seen: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    here = ClusterHere()
    with launch(Behaviour(ttft=Constant(0.02), itl=Constant(0.005), tokens=Constant(10))) as server:
        for number in range(given.times):
            kind = KINDS[number % len(KINDS)]
            seen[kind] += (counted := one(kind, here, server.url, source))
            print(f"{number + 1} of {given.times}: {kind}, {dict(+counted)}", file=sys.stderr, flush=True)
    here.cluster.shutdown()
    rows = [{"kind": kind, **{name: counted[name] for name, _ in COLUMNS[1:]}} for kind, counted in seen.items()]
    print_table(COLUMNS, rows)
    write_result("cluster_deaths", {"seed": given.seed, "kinds": rows})
    return int(any(row[name] for row in rows for name in ("lost", "twice", "missing", "unsaid", "left", "sockets")))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
