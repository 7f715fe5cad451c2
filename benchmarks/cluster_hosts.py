"""What becomes of a run when a machine of its Ray cluster dies or hangs: machines are network namespaces of this one.

Each machine has its own address, Ray node, `/tmp/ray` and temporary folder: `head`, where fmbench runs, `one` and
`two`, which send with it, and `endpoint`, where the emulator is. A run of three levels is started by the `fmbench`
command; at a random instant something is done to it, and then it is resumed until it is whole, on a new cluster where
need be.

    sudo python benchmarks/cluster_hosts.py [--times 18] [--seed 1] [--kinds worker,node,gcs]

Needs Linux, root, `ip`, `nsenter` and Ray. Prints for each instant how the command ended and its last line. Fails where
a level is missing at the end, a finished one was measured again, an exit code claims success of a run that is not
whole, the command says more than a few lines of why, or a load worker or a connection to the endpoint is left.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
from output import print_table, write_result

HOSTS = {"head": "10.77.0.1", "one": "10.77.0.2", "two": "10.77.0.3", "endpoint": "10.77.0.9"}
SENDERS = ("head", "one", "two")
BRIDGE, NETWORK = "fmbench-bridge", "fmbench-"
ENDPOINT = f"http://{HOSTS['endpoint']}:8000/v1/chat/completions"
BIN = Path(sys.executable).parent
LEVELS = 3
STOPPED_S = 20.0
LEFT_S = 60.0
RESUMES = 4
COLUMNS = (
    ("kind", "what is done"),
    ("times", "times"),
    ("exit", "exit code ≠ 0"),
    ("longest_s", "longest until it ends (s)"),
    ("lost", "finished levels lost"),
    ("twice", "measured twice"),
    ("missing", "missing"),
    ("claimed", "failure as success"),
    ("unsaid", "not said in a line"),
    ("left", "processes left"),
    ("sockets", "sockets left"),
)
BAD = ("lost", "twice", "missing", "claimed", "unsaid", "left", "sockets")


def ip(words: str) -> None:
    """Change the network of this machine."""
    subprocess.run(["ip", *words.split()], check=True)


@contextlib.contextmanager
def network() -> Iterator[None]:
    """The hosts, joined by a bridge in a namespace of its own."""
    take_down()
    ip(f"netns add {BRIDGE}")
    ip(f"-n {BRIDGE} link add bridge type bridge")
    ip(f"-n {BRIDGE} link set bridge up")
    try:
        for number, (name, address) in enumerate(HOSTS.items()):
            host, port = NETWORK + name, f"port{number}"
            ip(f"netns add {host}")
            ip(f"-n {BRIDGE} link add {port} type veth peer name eth0 netns {host}")
            ip(f"-n {BRIDGE} link set {port} master bridge up")
            ip(f"-n {host} addr add {address}/24 dev eth0")
            ip(f"-n {host} link set lo up")
            ip(f"-n {host} link set eth0 up")
        yield
    finally:
        take_down()


def take_down() -> None:
    """Delete the hosts with what runs on them."""
    for name in HOSTS:
        kill_all(name)
    there = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    for host in (BRIDGE, *(NETWORK + name for name in HOSTS)):
        if host in there.split():
            ip(f"netns del {host}")


def cut(name: str, state: str = "down") -> None:
    """Take a host from the network, or put it back (`up`)."""
    ip(f"-n {BRIDGE} link set port{list(HOSTS).index(name)} {state}")


def processes(name: str, words: str = "") -> list[psutil.Process]:
    """The processes of a host whose command line has these words."""
    listed = subprocess.run(["ip", "netns", "pids", NETWORK + name], capture_output=True, text=True, check=False).stdout
    found = []
    for pid in listed.split():
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(int(pid))
            if process.status() != psutil.STATUS_ZOMBIE and words in " ".join(process.cmdline()):
                found.append(process)
    return found


def kill_all(name: str, words: str = "") -> None:
    """Kill these processes, and those that they start meanwhile."""
    while found := processes(name, words):
        for process in found:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(found, timeout=1)


class Cluster:
    """A Ray cluster of the sending hosts, whose files are in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def run(self, name: str, command: Sequence[str], output: Path) -> subprocess.Popen[bytes]:
        """Start a command on a host, with what it prints in a file."""
        own = self._folder / name
        for part in ("ray", "tmp"):
            (own / part).mkdir(parents=True, exist_ok=True)
        Path("/tmp/ray").mkdir(exist_ok=True)
        inside = f'mount --bind "{own}/ray" /tmp/ray && exec "$@"'
        variables = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "TMPDIR": str(own / "tmp")}
        words = ["ip", "netns", "exec", NETWORK + name, "sh", "-c", inside, "-", *command]
        with output.open("ab") as stream:
            return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, env=variables)

    def start(self, name: str) -> None:
        """Start Ray's node on a host."""
        address = HOSTS[name]
        where = ["--head", "--port=6379", "--include-dashboard=false"] if name == "head" else [
            f"--address={HOSTS['head']}:6379"
        ]  # fmt: skip
        size = ["--num-cpus=1", "--object-store-memory=80000000", "--disable-usage-stats"]
        output = self._folder / f"ray-{name}.out"
        command = [str(BIN / "ray"), "start", *where, f"--node-ip-address={address}", *size]
        for _ in range(4):
            if self.run(name, command, output).wait() == 0:
                return
            self.end(name)
        raise SystemExit(f"Ray did not start on {name}: {output.read_text()[-2000:]}")

    def end(self, name: str) -> None:
        """End it and all that it has started; its own files are deleted, but not those of its actors."""
        kill_all(name)
        shutil.rmtree(self._folder / name / "ray", ignore_errors=True)

    def renew(self) -> None:
        """All hosts again."""
        for name in SENDERS:
            self.end(name)
        for name in SENDERS:
            self.start(name)


def write_run(folder: Path) -> Path:
    """The run's config."""
    rows = [{"input": f"What is item {n}?", "context": f"Item {n}"} for n in range(200)]
    (folder / "source.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = {
        "general": {"name": "hosts"},
        "s3_read_data": {"source_data_files": ["source.jsonl"]},
        "datasets": {
            "prompt_template_keys": ["input", "context"],
            "filters": [{"min_length_in_tokens": 1, "max_length_in_tokens": 500, "payload_file": "all.jsonl"}],
        },
        "pricing": {"machine": 3.6},
        "inference_parameters": {"max_tokens": 10},
        "load": {
            "duration": 3,
            "timeout": 20,
            "prompt_reuse": "allowed",
            "executor": "ray",
            "retry_invalid": 1,
            "ray": {"address": f"{HOSTS['head']}:6379", "nodes": "auto", "workers_per_node": 1},
        },
        "experiments": [
            {
                "name": "e",
                "platform": "endpoint",
                "model_id": "emulated",
                "tokenizer": "words",
                "ep_name": ENDPOINT,
                "instance_type": "machine",
                "payload_files": ["all.jsonl"],
                "concurrency_levels": [3, 6, 9],
            }
        ],
    }
    path = folder / "config.yml"
    path.write_text(json.dumps(config))
    return path


def run_folder(folder: Path) -> Path | None:
    """The run's directory, once there is one."""
    return next(iter((folder / "results").glob("*/*Z*")), None)


def levels_of(folder: Path) -> dict[Path, int]:
    """The levels that the run has finished, with when their files were written."""
    run = run_folder(folder)
    found = {} if run is None else {path: path.stat().st_mtime_ns for path in run.rglob("requests/**/*.parquet")}
    return {path: written for path, written in found.items() if "invalid" not in str(path.relative_to(folder))}


def begun(folder: Path) -> bool:
    """Whether the first level has begun."""
    run = run_folder(folder)
    return run is not None and any("level started" in path.read_text() for path in run.glob("*events*"))


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether the condition came true in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.1)
    return condition()


# -- what is done -----------------------------------------------------------------------------------------------------


def kill_one(words: str) -> Callable[[Cluster, random.Random], None]:
    """Kill one process of this kind, on whichever host."""

    def kill(cluster: Cluster, source: random.Random) -> None:
        found = [process for name in SENDERS for process in processes(name, words)]
        if found:
            with contextlib.suppress(psutil.Error):
                source.choice(found).kill()

    return kill


def kill_driver(cluster: Cluster, source: random.Random) -> None:
    """Kill the command and all that it has started, as the kernel does where memory is short."""
    kill_all("head", "fmbench_lib")
    kill_all("head", "fmbench")


def kill_node(cluster: Cluster, source: random.Random) -> None:
    """Kill all processes of a host, as when its power fails."""
    name = source.choice(SENDERS[1:])
    cut(name)
    kill_all(name)


def cut_node(cluster: Cluster, source: random.Random) -> None:
    """Take a host from the network."""
    cut(source.choice(SENDERS[1:]))


def stop_node(words: str) -> Callable[[Cluster, random.Random], None]:
    """Stop a process of this kind for some time."""

    def stop(cluster: Cluster, source: random.Random) -> None:
        found = processes(source.choice(SENDERS[1:]), words)
        for process in found:
            with contextlib.suppress(psutil.Error):
                process.suspend()
        time.sleep(STOPPED_S)
        for process in found:
            with contextlib.suppress(psutil.Error):
                process.resume()

    return stop


KINDS: dict[str, Callable[[Cluster, random.Random], None]] = {
    "worker": kill_one("fmbench_lib.load.sending.worker"),
    "agent": kill_one("ray::NodeAgent"),
    "driver": kill_driver,
    "node": kill_node,
    "gcs": lambda cluster, source: kill_all("head", "gcs_server"),
    "head": lambda cluster, source: kill_all("head", "raylet/raylet"),
    "cut": cut_node,
    "agent stops": stop_node("ray::NodeAgent"),
    "raylet stops": stop_node("raylet/raylet"),
}


def one(kind: str, folder: Path, cluster: Cluster, source: random.Random) -> Counter[str]:
    """Do something of this kind to a run, and resume it until it is whole."""
    seen: Counter[str] = Counter({"times": 1})
    config = write_run(folder)
    run = cluster.run("head", [str(BIN / "fmbench"), str(config)], folder / "output-0")
    wait_until(lambda: begun(folder) or run.poll() is not None, 180)
    wait_s = source.uniform(0, 16)
    with contextlib.suppress(subprocess.TimeoutExpired):
        run.wait(wait_s)
    written = levels_of(folder)
    at = time.monotonic()
    KINDS[kind](cluster, source)
    code = run.wait(300)
    seen["longest_s"] = round(time.monotonic() - at)
    seen["exit"] += code != 0
    seen["claimed"] += code == 0 and len(levels_of(folder)) < LEVELS
    seen["unsaid"] += not well_said(kind, code, folder / "output-0")
    print(
        f"{kind} after {wait_s:.1f} s: exit {code} after {seen['longest_s']} s: {said(folder / 'output-0')}", flush=True
    )
    seen["left"] += not wait_until(lambda: not workers(), LEFT_S)
    seen["sockets"] += not wait_until(lambda: not sockets(), LEFT_S)
    restore(kind, cluster)
    resume(folder, cluster)
    now = levels_of(folder)
    seen["missing"] += LEVELS - len(now)
    seen["lost"] += sum(path not in now for path in written)
    seen["twice"] += sum(path in now and now[path] != at_first for path, at_first in written.items())
    return seen


def resume(folder: Path, cluster: Cluster) -> None:
    """Resume the run until it is whole."""
    config = str(folder / "config.yml")
    for number in range(1, RESUMES + 1):
        place = run_folder(folder)
        if place is not None and len(levels_of(folder)) == LEVELS and (place / "report.md").exists():
            return
        arguments = [config] if place is None else ["--resume", str(place)]
        cluster.run("head", [str(BIN / "fmbench"), *arguments], folder / f"output-{number}").wait(300)


def restore(kind: str, cluster: Cluster) -> None:
    """All hosts on the network, with a cluster that works."""
    for name in SENDERS:
        cut(name, "up")
    if kind not in ("worker", "agent", "driver"):
        cluster.renew()


def workers() -> list[psutil.Process]:
    """The load workers on all hosts."""
    return [process for name in SENDERS for process in processes(name, "fmbench_lib.load.sending.worker")]


def sockets() -> int:
    """Connections that the endpoint still has."""
    command = ["ip", "netns", "exec", NETWORK + "endpoint", "ss", "-Htn", "state", "established"]
    return len(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines())


def said(output: Path) -> str:
    """Why a command ended, as it says itself."""
    lines = [line for line in output.read_text(errors="replace").splitlines() if line.startswith("fmbench: ")]
    return lines[-1] if lines else ""


def well_said(kind: str, code: int, output: Path) -> bool:
    """Whether a command that failed says why in a line, without a traceback; one that was killed can't."""
    text = output.read_text(errors="replace")
    return "Traceback" not in text and (code == 0 or kind == "driver" or bool(said(output)))


def main(argv: Sequence[str]) -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--times", type=int, default=18)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--kinds", default=",".join(KINDS))
    given = options.parse_args(argv)
    source, kinds = random.Random(given.seed), given.kinds.split(",")
    seen: dict[str, Counter[str]] = {kind: Counter() for kind in kinds}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with network(), tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        cluster = Cluster(Path(name))
        emulator = ["emulate", "--host", "0.0.0.0", "--port", "8000", "--ttft", "0.02", "--itl", "0.005"]
        cluster.run("endpoint", [str(BIN / "fmbench"), *emulator, "--tokens", "10"], Path(name) / "emulator.out")
        cluster.renew()
        for number in range(given.times):
            kind, folder = kinds[number % len(kinds)], Path(name) / f"run-{number}"
            folder.mkdir()
            os.chdir(folder)
            longest, counted = seen[kind]["longest_s"], one(kind, folder, cluster, source)
            seen[kind] += counted
            seen[kind]["longest_s"] = max(longest, counted["longest_s"])
        os.chdir("/")
        rows = [{"kind": kind, **{name: counted[name] for name, _ in COLUMNS[1:]}} for kind, counted in seen.items()]
    print_table(COLUMNS, rows)
    write_result("cluster_hosts", {"seed": given.seed, "kinds": rows})
    return int(any(row[name] for row in rows for name in BAD))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
