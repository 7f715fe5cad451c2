"""A run: its config and its directory, opened by whoever works on it and checked to belong together."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fmbench_lib.config import Config, LoadedConfig
from fmbench_lib.config.secrets import Redactor
from fmbench_lib.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Run:
    """A config and the directory its results go to."""

    loaded: LoadedConfig
    workspace: Workspace
    redactor: Redactor = field(default_factory=Redactor, repr=False)
    local_only: bool = False
    """Whether no bucket is to be read."""

    @property
    def config(self) -> Config:
        return self.loaded.config

    @property
    def seed(self) -> int:
        return self.config.general.seed

    def begin_step(self, step: str) -> None:
        """Take note in `run.json` that a step is under way."""
        started = datetime.now(UTC).isoformat()
        self.workspace.update_run(steps={step: {"status": "running", "started": started}})
        self.workspace.log_event("step started", step=step)

    def end_step(self, step: str, status: str, started: float, ended: float, **facts: Any) -> None:
        """Take note of a step's outcome; times are Unix seconds."""
        entry = {
            "status": status,
            "started": datetime.fromtimestamp(started, UTC).isoformat(),
            "duration_s": round(ended - started, 3),
            **facts,
        }
        run = self.workspace.update_run(steps={step: entry})
        done = {name for name, state in run["steps"].items() if state["status"] == "done"}
        if {name for name, on in self.config.run_steps.items() if on} <= done:
            self.workspace.update_run(status="finished")
        self.workspace.log_event("step ended", step=step, status=status, **facts)
