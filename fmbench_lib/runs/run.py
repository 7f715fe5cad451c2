"""A run: its config and its directory, opened together."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from fmbench_lib.config import Config, LoadedConfig
from fmbench_lib.config.redactor import Redactor
from fmbench_lib.host.process_identity import this_process
from fmbench_lib.run_state import StepState, StepStatus
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
        """The config that the run was made from."""
        return self.loaded.config

    @property
    def seed(self) -> int:
        """What every random choice of the run is drawn from."""
        return self.config.general.seed

    def begin_step(self, step: str) -> None:
        """Record that a step is running; a run whose process is gone goes on in this one."""
        self.workspace.settle()
        if self.workspace.read_run().get("status") == "interrupted":
            self.workspace.update_run(status="running", process=this_process())
        started = datetime.now(UTC).isoformat()
        self.workspace.update_run(steps={step: {"status": "running", "started": started}})
        self.workspace.log_event("step started", step=step)

    def end_step(self, step: str, status: StepStatus, started: float, ended: float, error: str | None = None) -> None:
        """Record how a step ended; times are Unix seconds. The run is finished when all its steps are done."""
        entry: StepState = {
            "status": status,
            "started": datetime.fromtimestamp(started, UTC).isoformat(),
            "duration_s": round(ended - started, 3),
        }
        if error is not None:
            entry["error"] = error
        state = self.workspace.update_run(steps={step: entry})
        done = {name for name, step_state in state["steps"].items() if step_state["status"] == "done"}
        if {name for name, on in self.config.run_steps.items() if on} <= done:
            self.workspace.update_run(status="finished")
        self.workspace.log_event("step ended", step=step, status=status, **({} if error is None else {"error": error}))
