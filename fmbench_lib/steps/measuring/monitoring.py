"""Starts and stops the monitor: a process that samples beside the levels, one for each experiment.

It cannot affect a level: a monitor that cannot be started, hangs or dies is noted among the samples and replaced at the
next level.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import IO
from urllib.parse import urlsplit

from fmbench_lib.config import Experiment
from fmbench_lib.config.platforms import platform_facts, protocol_facts
from fmbench_lib.deploy import Endpoint
from fmbench_lib.host.children import start_module
from fmbench_lib.monitors.prometheus import page_beside
from fmbench_lib.monitors.samples import SampleWriter
from fmbench_lib.monitors.sampling_plan import MonitorPlan, SampledPage, SampledProcess, SamplingPlan
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.run_inputs.inputs import ca_bundle

_READY_S = 3.0
_MARK_S = 1.5
_END_S = 2.0
_HERE = ("127.0.0.1", "localhost", "::1")


class Monitoring:
    """The monitor of the experiment that is being measured."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._experiment: str | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None

    @contextlib.contextmanager
    def beside(self, experiment: Experiment, endpoint: Endpoint, urls: tuple[str, ...]) -> Iterator[None]:
        """Sample while a level is measured, and once immediately before and after it."""
        if self._run.config.monitors.enabled:
            self._ensure(experiment, endpoint, urls)
            self._tell("mark")
        try:
            yield
        finally:
            self._tell("mark")

    def end(self) -> None:
        """Stop the monitor; one that does not stop in time is killed."""
        process = self._process
        if process is None:
            return
        if process.poll() is not None:
            self._note(f"the monitor {self._how_it_ended(process)}")
        elif process.stdin is not None:
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                process.stdin.close()
                process.wait(_END_S)
        self._drop()

    # -- the process -----------------------------------------------------------------------------------------------

    def _ensure(self, experiment: Experiment, endpoint: Endpoint, urls: tuple[str, ...]) -> None:
        """Start a monitor for this experiment unless one is running."""
        if self._process is not None and self._process.poll() is None and self._experiment == experiment.name:
            return
        self.end()
        self._experiment = experiment.name
        name = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%fZ")
        path = self._run.workspace.samples(experiment.name, name)
        plan: MonitorPlan = {**plan_of(self._run, experiment, endpoint, urls), "file": str(path)}
        try:
            self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (open as long as the process)
            self._process = start_module(
                "fmbench_lib.monitors.sampler_program", stderr=self._errors, start_new_session=True
            )
        except OSError as error:
            self._note(f"the monitor could not be started: {error}")
            return
        self._tell(json.dumps(plan), _READY_S)

    def _tell(self, line: str, patience: float | None = None) -> None:
        """Send a line and wait for the answer; a monitor without one is killed, and replaced at the next level."""
        process, patience = self._process, patience or _MARK_S
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(OSError):
            process.stdin.write(line.encode() + b"\n")
            process.stdin.flush()
            if _answer(process.stdout, patience):
                return
        if not _ended(process):
            self._note(f"the monitor did not answer within {patience:g} s and was stopped")
        else:
            self._note(f"the monitor {self._how_it_ended(process)}")
        self._drop()

    def _drop(self) -> None:
        """Kill the monitor if it still runs, and close its files."""
        process, errors, self._process, self._errors = self._process, self._errors, None, None
        if process is not None:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):
                    if stream is not None:
                        stream.close()
        if errors is not None:
            errors.close()

    def _how_it_ended(self, process: subprocess.Popen[bytes]) -> str:
        code = process.wait()
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        assert self._errors is not None
        self._errors.seek(0)
        last = self._errors.read().decode(errors="replace").strip().splitlines()[-1:]
        return how + "".join(f": {line}" for line in last)

    def _note(self, text: str) -> None:
        workspace = self._run.workspace
        text = workspace.redact(text)
        workspace.log_event("monitor", experiment=self._experiment, note=text)
        path = workspace.samples(str(self._experiment), "notes")
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                SampleWriter(file).note(time.time(), "monitor", text)


def _ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether a process whose pipes have closed exits shortly."""
    try:
        process.wait(0.2)
    except subprocess.TimeoutExpired:
        return False
    return True


def _answer(stream: IO[bytes], patience: float) -> bool:
    """Whether a line arrives within `patience` seconds."""
    deadline = time.monotonic() + patience
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0:
            if selector.select(left):
                data = os.read(stream.fileno(), 4096)
                if not data or b"\n" in data:
                    return bool(data)
    return False


@contextlib.contextmanager
def monitoring(run: Run) -> Iterator[Monitoring]:
    """The monitor of a run's levels, stopped at the end of the block."""
    monitor = Monitoring(run)
    try:
        yield monitor
    finally:
        monitor.end()


# -- what is sampled -------------------------------------------------------------------------------------------------


def plan_of(run: Run, experiment: Experiment, endpoint: Endpoint, urls: tuple[str, ...]) -> SamplingPlan:
    """What the monitor samples for an experiment that answers at `urls`; the plan is not written to a file."""
    wanted = run.config.monitors
    here = is_here(endpoint, urls)
    processes: list[SampledProcess] = [
        {
            "pid": copy.process.pid,
            "age": copy.process.started - copy.process.booted,
            "labels": {"copy": str(number)},
        }
        for number, copy in enumerate(endpoint.copies)
        if copy.process is not None
    ]
    nvidia, nvidia_devices = _accelerators("nvidia", wanted.nvidia, endpoint, here)
    neuron, neuron_devices = _accelerators("neuron", wanted.neuron, endpoint, here)
    return {
        "interval": wanted.interval,
        "machine": None if wanted.host == "no" else "endpoint" if here else "client",
        "energy": wanted.energy if here else "no",
        "server_here": bool(processes) or platform_facts(endpoint.platform).on_this_machine,
        "processes": processes if wanted.host != "no" else [],
        "client": os.getpid(),
        "ports": _server_ports(endpoint, urls) if here else [],
        "nvidia": nvidia,
        "nvidia_devices": nvidia_devices,
        "neuron": neuron,
        "neuron_devices": neuron_devices,
        "pages": _pages(wanted.prometheus, experiment, endpoint, urls),
        "ca_file": ca_bundle(run),
    }


def is_here(endpoint: Endpoint, urls: tuple[str, ...]) -> bool:
    """Whether an endpoint is on the machine that fmbench runs on."""
    return platform_facts(endpoint.platform).on_this_machine or any(urlsplit(url).hostname in _HERE for url in urls)


def _server_ports(endpoint: Endpoint, urls: tuple[str, ...]) -> list[int]:
    """The ports of a server on this machine that fmbench did not start, so that its processes are not known."""
    if endpoint.copies:
        return []
    parts = [urlsplit(url) for url in urls]
    return [part.port or (443 if part.scheme == "https" else 80) for part in parts]


def _accelerators(kind: str, choice: str, endpoint: Endpoint, here: bool) -> tuple[str, list[int] | None]:
    """Whether devices of a kind are sampled, and which: those of the endpoint's copies, or all (None).

    All are sampled if those of the copies are not known, or if the copies have none but the config asks for the kind.
    """
    known = [copy.devices for copy in endpoint.copies if copy.devices is not None]
    named = [name.split() for devices in known for name in devices]
    own = sorted({int(index) for its_kind, index in named if its_kind == kind})
    if choice == "auto" and (not here or (known and not own)):
        choice = "no"
    return choice, own or None


def _pages(
    wanted: str | list[str] | Mapping[str, list[str]], experiment: Experiment, endpoint: Endpoint, urls: tuple[str, ...]
) -> list[SampledPage]:
    """The metrics pages to read, each with the number of its copy."""
    if isinstance(wanted, Mapping):
        wanted = wanted.get(experiment.name, "auto")
    if wanted == "no":
        return []
    if isinstance(wanted, list):
        return [{"url": url, "copy": copy, "requested": True} for copy, url in enumerate(wanted)]
    if not platform_facts(experiment.platform).metrics_page:
        return []
    named = [copy.metrics_url for copy in endpoint.copies if copy.metrics_url]
    behind = [copy.url for copy in endpoint.copies]
    copies = behind or urls  # a load balancer would show the page of a different copy each time
    found = [[url] for url in named] or [_beside(url, experiment) for url in copies if url.startswith("http")]
    pages = [(copy, url) for copy, beside in enumerate(found) for url in beside]
    once = {url: copy for copy, url in reversed(pages)}
    return [{"url": url, "copy": copy, "requested": False} for copy, url in pages if once[url] == copy]


def _beside(url: str, experiment: Experiment) -> list[str]:
    """Where a server's metrics usually are: on its own port, or on the port that its protocol has for them."""
    page, port = page_beside(url), protocol_facts(experiment.protocol).metrics_port
    if port is None:
        return [page]
    parts = urlsplit(page)
    host = parts.netloc if parts.port is None else parts.netloc.rpartition(":")[0]
    return [page, f"{parts.scheme}://{host}:{port}/metrics"]
