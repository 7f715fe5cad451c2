"""A run that something happens to: how it is begun, what it comes to, and what `--resume` makes of it.

A benchmark of a local server of known latency (`tests/e2e/stand_in`) that takes seconds; `deaths.py` and `endurance.py`
hold the cases that it is played with, `acts.py` what can happen to it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import yaml

STAND_IN = Path(__file__).parent.parent / "tests" / "e2e" / "stand_in"
MARK = "FMBENCH_DEATH"  # inherited by every process of a run
TTFT_S, SLACK_S = 0.1, 0.35  # of the stand-in, and of a busy machine
LEVELS, REQUESTS = (1, 2, 3, 4), 8
TMPFS_BYTES = 12 << 20
AGAIN = re.compile(r"measure it again: fmbench (--resume .+ --remeasure .+)$", re.MULTILINE)


@dataclass
class Case:
    """Something that happens to a run: `act` is called as soon as the run has begun, and does its deed at the right
    moment. The run has levels of these concurrencies, of so many requests; its processes get `environment`, and `path`
    before their own. One that takes longer than `longest_s` hangs."""

    name: str
    act: Callable[[Running], None] = lambda running: None
    limit: Callable[[], None] | None = None
    small_disk: bool = False
    shell: str = "{command}"
    keep_run: bool = True
    levels: Sequence[int] = LEVELS
    requests: int = REQUESTS
    environment: dict[str, str] = field(default_factory=dict)
    path: Path | None = None
    longest_s: float = 180.0


@dataclass
class Running:
    """A run under way, its processes, and its folder."""

    folder: Path
    process: subprocess.Popen[bytes]
    mark: str
    undo: list[Callable[[], None]] = field(default_factory=list)

    @property
    def main(self) -> psutil.Process | None:
        """The process of the command itself, below a shell."""
        return self.find("--config-file", "--resume")

    @property
    def run(self) -> Path | None:
        """The run's directory, once it is there."""
        return next(iter(self.folder.glob("results/*/*Z*")), None)

    def find(self, *words: str) -> psutil.Process | None:
        """A process of this run whose command line has one of these words; `kernel` is forked, and has none."""
        if words == ("kernel",):
            server = self.find("pipeline.kernels")
            with contextlib.suppress(psutil.Error):
                return next(iter(server.children()), None) if server is not None else None
            return None
        for process in everyone(self.mark):
            with contextlib.suppress(psutil.Error):
                line = process.cmdline()
                if any(word in part for part in line for word in words) and "sh" not in line[0][-3:]:
                    return process
        return None

    def in_step(self, step: str) -> bool:
        """Whether this step is under way."""
        try:
            state = json.loads((self.run / "run.json").read_text()) if self.run else {"steps": {}}
        except (OSError, ValueError):
            return False
        return bool(state["steps"].get(step, {}).get("status") == "running")

    def measuring(self) -> bool:
        """Whether requests are being sent, after the first level."""
        run = self.run
        return run is not None and any(run.glob("requests/*/*/*.parquet")) and self.find("sending.worker") is not None

    def wait_for(self, condition: Callable[[], Any]) -> None:
        """Wait for a moment of the run, or its end."""
        while self.process.poll() is None and not condition():
            time.sleep(0.01)


def everyone(mark: str) -> list[psutil.Process]:
    """The processes that descend from a run, zombies left out."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def played(case: Case) -> dict[str, Any]:
    """What a case led to, as a row of the table."""
    mark = f"{os.getpid()}-{time.monotonic_ns()}"
    with tempfile.TemporaryDirectory(prefix="deaths-") as name, contextlib.ExitStack() as mounted:
        folder = Path(name)
        results = folder / "results"
        results.mkdir()
        if case.small_disk:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={TMPFS_BYTES}", "tmpfs", str(results)], check=True)
            mounted.callback(subprocess.run, ["umount", "-l", str(results)], check=False)
        write_config(folder, case)
        command = [sys.executable, "-m", "fmbench_lib", "--config-file", "test.yml", "--results-dir", "results"]
        row, running = outcome_of(case, folder, mark, command)
        for undo in running.undo:
            undo()
        if running.run is not None and case.keep_run:
            first, then = row["traceback"], resumed(running.run, folder, mark, case)
            row |= then | {"traceback": first or then["traceback"]}
        ended = row["resumed"] in ("", 0) or row["again"] == 0
        whole = row["left"] == 0 and not row["traceback"] and row["code"] != "hangs" and row["right"] != "no"
        row["ok"] = whole and ended
        end(mark)
        row["reasons"] = reasons_in(folder)
    return row


def reasons_in(folder: Path) -> list[str]:
    """Why the levels of a run that was analysed are not valid, or what else is said of them."""
    path = next(iter(folder.glob("results/*/*Z*/summary.json")), None)
    levels = json.loads(path.read_text())["levels"] if path is not None else ()
    return [f"{level['load']} {level['verdict']}: {level['verdict_reasons'] or ''}" for level in levels]


def resumed(run: Path, folder: Path, mark: str, case: Case) -> dict[str, Any]:
    """What `--resume` makes of a run, and the commands that it then names for levels that are invalid."""
    codes: list[int] = []
    text = ""
    commands = [["--resume", str(run)]]
    for arguments in commands:
        done = subprocess.run(
            [sys.executable, "-m", "fmbench_lib", *arguments], cwd=folder, env=environment(folder, mark, case),
            capture_output=True, text=True, timeout=case.longest_s,
        )  # fmt: skip
        codes.append(done.returncode)
        text += done.stdout + done.stderr
        if len(codes) == 1:
            commands += [shlex.split(found) for found in AGAIN.findall(done.stdout)]
    again = codes[-1] if len(codes) > 1 else ""
    return {
        "resumed": codes[0],
        "again": again,
        "right": figures_are_right(run, case),
        "traceback": "Traceback" in text,
    }


def outcome_of(case: Case, folder: Path, mark: str, command: Sequence[str]) -> tuple[dict[str, Any], Running]:
    """Run the command and let the case happen to it."""
    shell = ["bash", "-c", case.shell.format(command=" ".join(command))] if case.shell != "{command}" else command
    with (folder / "out").open("wb") as out:
        begun = time.monotonic()
        process = subprocess.Popen(
            shell, cwd=folder, env=environment(folder, mark, case), stdout=out, stderr=out, preexec_fn=case.limit,
            start_new_session=True,
        )  # fmt: skip
        running = Running(folder, process, mark)
        case.act(running)
        try:
            code: int | str = process.wait(max(case.longest_s - (time.monotonic() - begun), 1))
        except subprocess.TimeoutExpired:
            code = "hangs"
    seconds = time.monotonic() - begun
    time.sleep(0.3)  # for processes that are just ending
    left = [process for process in everyone(mark) if process.is_running()]
    text = (folder / "out").read_text(errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    named = [line for line in lines if line.startswith("fmbench: ")]
    row = {
        "case": case.name, "code": code, "seconds": round(seconds, 1), "levels": measured(running.run),
        "left": len(left), "resumed": "", "again": "", "right": "", "traceback": "Traceback" in text,
        "said": [line.replace(str(folder), "…") for line in named or lines[-1:]],
        "last": (named or lines or [""])[-1 if not named else 0].replace(str(folder), "…")[:110],
    }  # fmt: skip
    end(mark)
    return row, running


def end(mark: str) -> None:
    """Kill what a run has left."""
    for process in everyone(mark):
        with contextlib.suppress(psutil.Error):
            process.kill()


def measured(run: Path | None) -> int:
    """The levels that have records."""
    return 0 if run is None else len(list(run.glob("requests/*/*/*.parquet")))


def figures_are_right(run: Path, case: Case) -> str:
    """Whether every level has every request once, and the times of the server that it was measured with."""
    paths = [path for path in sorted(run.glob("requests/*/*/*.parquet")) if ".attempt-" not in path.name]
    for path in paths:
        records = pq.read_table(path).to_pandas()
        records = records[records["phase"] == "measured"]
        fine = records[records["error"].isna()]
        ttft = (fine["first"] - fine["sent"]).median()
        if records["request_id"].duplicated().any() or len(records) != case.requests:
            return "no"
        if len(fine) and not TTFT_S - 0.005 < ttft < TTFT_S + SLACK_S:
            return "no"
    return "yes" if len(paths) == len(case.levels) else f"{len(paths)} of {len(case.levels)}"


def environment(folder: Path, mark: str, case: Case) -> dict[str, str]:
    """The environment of a run: the stand-in's server, a state folder of its own, and what the case adds."""
    path = os.pathsep.join(str(each) for each in (case.path, STAND_IN) if each is not None)
    own = {name: value.format(folder=folder) for name, value in case.environment.items()}
    return {**os.environ, "PYTHONPATH": path, "XDG_STATE_HOME": str(folder / "state"), MARK: mark, **own}


def write_config(folder: Path, case: Case) -> None:
    """A config of a few short levels, its prompts and its model, which is empty."""
    count = len(case.levels) * (case.requests + 10)
    rows = [{"input": f"What is item {n}?", "context": f"Item {n} is one of {count}."} for n in range(count)]
    (folder / "source.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "model.gguf").write_bytes(b"GGUF\x03\0\0\0" + bytes(16))
    local = {"context_tokens": 512, "parallel": 4, "threads": 1}
    config = {
        "general": {"name": "deaths"},
        "s3_read_data": {"source_data_files": ["source.jsonl"]},
        "datasets": {
            "prompt_template_keys": ["input", "context"],
            "filters": [{"min_length_in_tokens": 1, "max_length_in_tokens": 500, "payload_file": "all.jsonl"}],
        },
        "inference_parameters": {"max_tokens": 5},
        "load": {"requests": case.requests, "warmup_requests": 2, "timeout": 10, "prompt_reuse": "never"},
        "experiments": [
            {
                "name": "local", "platform": "local", "model_id": "model.gguf", "local": local, "tokenizer": "words",
                "payload_files": ["all.jsonl"], "concurrency_levels": list(case.levels),
            }
        ],
    }  # fmt: skip
    (folder / "test.yml").write_text(yaml.safe_dump(config, sort_keys=False))
