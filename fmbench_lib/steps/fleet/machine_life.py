"""The life of one machine: recorded, started, waited for, its results brought back, and deleted however it ends."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from fmbench_lib.config.platforms import SKYPILOT
from fmbench_lib.deploy import Endpoint, platform
from fmbench_lib.deploy.endpoints_file import known_endpoints, record, record_if_possible
from fmbench_lib.errors import DeployError, FmbenchError, explained
from fmbench_lib.fleet import sky_command
from fmbench_lib.fleet.machine_files import bring_back, last_line
from fmbench_lib.fleet.machine_task import FOLDER, OUTPUT, RESULTS, FleetSettings, Machine
from fmbench_lib.host.atomic_files import write_text
from fmbench_lib.host.boot_clock import boot_time
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.fleet.machine_input import write_machine_files
from fmbench_lib.steps.fleet.machine_output import error_there, last_words, note_unmeasured, record_failure, take_over

_FIRST_POLL_S, _POLL_S = 1.0, 20.0
_BACK_S, _HASTY_BACK_S = 3600.0, 60.0
_MISSES = 5
_INTERRUPTED = "interrupted"


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Driving:
    """What drives the machines: `stopped` says that the run is interrupted, `hurried` that results are not to be waited
    for either, `say` shows a line to a person, `pause` waits so many seconds or until `stopped`. `secrets` are the
    environment variables of the jobs."""

    settings: FleetSettings
    say: Callable[[str], None]
    pause: Callable[[float], None]
    stopped: Callable[[], bool] = _never
    hurried: Callable[[], bool] = _never
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    clock: Callable[[], float] = time.time


def measure_on(run: Run, machine: Machine, driving: Driving) -> None:
    """Have a machine measure its experiments, and take over what it has measured.

    A machine that was left by a killed process is gone on with. What fails is recorded with its reason, and raises
    nothing; the machine is deleted in any case, or stays recorded where that fails.
    """
    reason = ""
    try:
        cluster = _standing(run, machine, driving) or _started(run, machine, driving)
        _wait(run, machine, cluster, driving)
    except KeyboardInterrupt:
        reason = _INTERRUPTED
    except Exception as error:  # noqa: BLE001 - it costs this machine's experiments alone
        reason = explained(error)
    try:
        reason = _collected(run, machine, driving, reason)
    finally:
        _take_down(run, machine, driving)
    if reason:
        driving.say(f"{machine.label}: {reason}")


def _recorded(run: Run, machine: Machine) -> Endpoint | None:
    """The machine's record where it may be up."""
    endpoint = known_endpoints(run.workspace).get(machine.label)
    return None if endpoint is None or endpoint.deleted_at is not None else endpoint


def _cluster(endpoint: Endpoint) -> str:
    return str(endpoint.resources[0]["name"])


def _standing(run: Run, machine: Machine, driving: Driving) -> str | None:
    """The machine of an earlier process of this run, where its job can be waited for; any other one is deleted."""
    endpoint = _recorded(run, machine)
    if endpoint is None:
        return None
    if sky_command.job_state(_cluster(endpoint), driving.stopped) not in ("absent", "unknown"):
        if endpoint.in_service_at is None:
            record(run.workspace, _in_service(endpoint, time.time()))
        return _cluster(endpoint)
    record(run.workspace, platform(SKYPILOT).delete(endpoint))
    return None


def _in_service(endpoint: Endpoint, now: float) -> Endpoint:
    return replace(endpoint, status="in_service", in_service_at=now, in_service_boot=boot_time())


def _started(run: Run, machine: Machine, driving: Driving) -> str:
    """Start a machine, which is recorded before SkyPilot is asked for it; its name in SkyPilot."""
    cluster = f"fmbench-{machine.name}-{secrets.token_hex(4)}"
    files = write_machine_files(run, machine, cluster, driving.settings)
    if driving.stopped():
        raise KeyboardInterrupt
    resource = {"kind": "machine", "name": cluster}
    endpoint = Endpoint(
        machine.label, SKYPILOT, (f"ssh://{cluster}",), owned=True, resources=(resource,), created_at=driving.clock()
    )
    record(run.workspace, endpoint)
    driving.say(f"{machine.label}: starting {cluster} for {', '.join(machine.experiments)}")
    seconds = driving.settings.hours * 3600
    sky_command.launch(cluster, files.task, files.log, driving.secrets, driving.stopped, seconds)
    record(run.workspace, _in_service(endpoint, driving.clock()))
    driving.say(f"{machine.label}: {cluster} is up and measures")
    return cluster


def _wait(run: Run, machine: Machine, cluster: str, driving: Driving) -> None:
    """Wait until the machine's job has succeeded. Raises DeployError where it has not, or takes too long."""
    endpoint = _recorded(run, machine)
    begun = (endpoint.created_at if endpoint else None) or driving.clock()
    misses, patience = 0, _FIRST_POLL_S
    while (state := sky_command.job_state(cluster, driving.stopped)) != "succeeded":
        if state == "failed":
            sky_command.save_log(cluster, run.workspace.machine(machine.name).log)
            raise DeployError("its job failed")
        misses = 0 if state == "running" else misses + 1
        if misses >= _MISSES:
            _check_up(cluster, state)
        if driving.clock() - begun > driving.settings.hours * 3600:
            raise DeployError(f"it still measured after {driving.settings.hours:g} h (--hours)")
        _note_last_line(run, machine, cluster)
        driving.pause(patience)
        patience = min(1.5 * patience, _POLL_S)
        if driving.stopped():
            raise KeyboardInterrupt


def _check_up(cluster: str, state: sky_command.JobState) -> None:
    """Raise DeployError unless a machine that does not say how its job is can still be waited for."""
    status = sky_command.status_of(cluster)
    if status != "UP":
        raise DeployError(f"it is gone or cannot be reached: SkyPilot says {status or 'there is no such machine'}")
    if state == "absent":
        raise DeployError("SkyPilot says that it is up and has no job")


def _note_last_line(run: Run, machine: Machine, cluster: str) -> None:
    """Note what fmbench has printed last on a machine, for whoever asks how far it is."""
    if line := last_line(cluster, f"{FOLDER}/{RESULTS}/{OUTPUT}"):
        with contextlib.suppress(OSError, FmbenchError):
            write_text(run.workspace.machine(machine.name).last_line, run.redactor.in_content(line))


def _collected(run: Run, machine: Machine, driving: Driving, reason: str) -> str:
    """Bring back what the machine has, and record what it did not measure; the reason for that, empty where there is
    none."""
    endpoint = _recorded(run, machine)
    if endpoint is not None and endpoint.in_service_at is not None and not driving.hurried():
        seconds = _HASTY_BACK_S if reason else _BACK_S
        driving.say(f"{machine.label}: bringing back what it has measured")
        output = run.workspace.machine(machine.name).output
        try:
            bring_back(_cluster(endpoint), f"{FOLDER}/{RESULTS}", output, seconds)
        except DeployError as error:
            reason = f"{reason}; {error}" if reason else str(error)
    try:
        there = take_over(run, machine)
    except Exception as error:  # noqa: BLE001 - what cannot be read must not keep the machine from being deleted
        there, reason = False, "; ".join(filter(None, (reason, f"what it brought back is damaged: {explained(error)}")))
    if reason and reason != _INTERRUPTED and (said := last_words(run, machine)):
        reason = f"{reason}: {run.redactor(said)}"
    if not reason:
        reason = run.redactor(error_there(run, machine)) if there else "it has brought no run back"
    if reason and reason != _INTERRUPTED:
        record_failure(run, machine, reason)
        note_unmeasured(run, machine, reason)
    return reason


def _take_down(run: Run, machine: Machine, driving: Driving) -> None:
    endpoint = _recorded(run, machine)
    if endpoint is None:
        return
    driving.say(f"{machine.label}: deleting {_cluster(endpoint)}")
    try:
        gone = platform(SKYPILOT).delete(endpoint)
    except Exception as error:  # noqa: BLE001 - it stays recorded: the cleanup tries again and says so
        driving.say(f"{machine.label}: {explained(error)}")
        return
    with contextlib.suppress(Exception):
        record_if_possible(run.workspace, gone)
        driving.say(f"{machine.label}: {_cluster(endpoint)} is deleted")
