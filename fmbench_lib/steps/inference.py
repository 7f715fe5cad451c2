"""3_run_inference: measure every level that has no records yet."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fmbench_lib.config.schema.load_section import load_settings
from fmbench_lib.deploy import Endpoint, platform
from fmbench_lib.deploy.endpoints_file import endpoints
from fmbench_lib.errors import DeployError, LevelStoppedError, explained
from fmbench_lib.host.atomic_files import read_rows
from fmbench_lib.host.disk_space import check_room, room_explained
from fmbench_lib.load.executor import Executor
from fmbench_lib.load.levels.attempt import EarlierRun
from fmbench_lib.load.levels.deal import Deal
from fmbench_lib.load.levels.specs import LevelSpec, deal_prompts
from fmbench_lib.load.measure import ExperimentLoad, Stopping, measure_level
from fmbench_lib.load.recording.disk_watch import DISK
from fmbench_lib.load.recording.records import read_level
from fmbench_lib.load.recording.sent_level import is_sent
from fmbench_lib.metrics.level_row import level_row
from fmbench_lib.predictors.registry import predictor_for
from fmbench_lib.runs.run import Run
from fmbench_lib.runs.run_orders import is_to_pause
from fmbench_lib.steps.data_generation import prepare_prompts
from fmbench_lib.steps.deployment import deploy_in_turn, deploy_missing
from fmbench_lib.steps.endpoints.endpoint_addresses import addresses_of
from fmbench_lib.steps.endpoints.experiment_scripts import script_of
from fmbench_lib.steps.endpoints.machine_sharing import waiting
from fmbench_lib.steps.measuring.between_levels import EndInOrder, begin_unstopped, obey_orders
from fmbench_lib.steps.measuring.earlier_sendings import Sending, earlier_run, earlier_sendings
from fmbench_lib.steps.measuring.level_executor import level_executor
from fmbench_lib.steps.measuring.level_space import bytes_of_level
from fmbench_lib.steps.measuring.level_watch import LevelWatch
from fmbench_lib.steps.measuring.monitoring import Monitoring, monitoring
from fmbench_lib.steps.measuring.next_attempt import Deals, continued_attempt, next_attempt, set_aside
from fmbench_lib.steps.prompts.fitted_prompts import prompts_to_send, with_exact_answers
from fmbench_lib.steps.run_inputs.inputs import ca_bundle, objectives_of, trace_of
from fmbench_lib.steps.run_inputs.levels import levels_to_measure, missing_levels, run_levels
from fmbench_lib.steps.run_inputs.payloads import check_prompts, payload_index
from fmbench_lib.steps.run_inputs.tokenizers_of_run import tokenizer_of
from fmbench_lib.steps.step import step
from fmbench_lib.workspace import LevelKey


@step("3_run_inference")
def run_inference(run: Run) -> pd.DataFrame:
    """Measure every level that is not measured yet: experiment by experiment, or with `load.repeats` in turns.

    A level that breaks down is recorded with its reason, and the next one is measured; a search whose level breaks
    down is paused until the run is resumed. Returns a table of all levels.
    """
    begin_unstopped(run.workspace)
    if not run.config.run_steps.get("1_generate_data", True):
        prepare_prompts(run)
    check_prompts(run)
    if not run.config.run_steps.get("2_deploy_model", True):
        deploy_missing(run)
    deals = deal_prompts(run.config, payload_index(run).counts)
    served: dict[str, Endpoint | None] = dict(endpoints(run.workspace))
    later = _waiting(run)
    sendings = functools.cache(functools.partial(earlier_sendings, run))
    missing = missing_levels(run)
    watch = LevelWatch(run, missing)
    try:
        with level_executor(run.config, needed=bool(missing)) as executor, monitoring(run) as monitor:
            load_of = functools.cache(functools.partial(_experiment_load, run, executor))
            for level, position in levels_to_measure(run, tuple(later)):
                obey_orders(run.workspace, watch)
                name = level.experiment.name
                if name in later:
                    later.remove(name)
                    monitor.end()  # or it would watch a server that is being stopped
                    served[name] = deploy_in_turn(run, level.experiment)
                endpoint = served.get(name)
                if endpoint is None or endpoint.status != "in_service":
                    watch.skip(level)
                    continue  # its deployment failed, and is reported as that
                measuring = _Measuring(run, deals, endpoint, functools.partial(load_of, name), sendings, monitor, watch)
                _measure_and_retry(measuring, level, position)
                run.workspace.keep()  # between two levels, while nothing is being measured
    finally:
        watch.end()
    return measured_table(run)


def _waiting(run: Run) -> set[str]:
    """The experiments that are deployed only when those before them have been measured."""
    return set(waiting(run.config, {level.experiment.name for level in missing_levels(run)}))


def _experiment_load(run: Run, executor: Executor, name: str) -> ExperimentLoad:
    """What is the same for all levels of the experiment of this name, whose endpoint is in service."""
    experiment = next(experiment for experiment in run.config.experiments if experiment.name == name)
    endpoint = endpoints(run.workspace)[name]
    urls, model = addresses_of(endpoint, experiment), endpoint.model or experiment.model_id
    tokenizer, script = tokenizer_of(run, experiment), script_of(run, experiment, endpoint.urls[0])
    if script is None:
        experiment = with_exact_answers(run, experiment, urls[0], model)
    return ExperimentLoad(
        urls=urls,
        predictor=predictor_for(experiment, urls[0], model, run.loaded.folder),
        tokenizer=tokenizer,
        tokenizer_name=tokenizer.name,
        load=load_settings(
            run.config.load,
            timeout=experiment.inference_spec.timeout,
            trace=trace_of(run),
            ca_bundle=ca_bundle(run),
        ),
        seed=run.seed,
        redactor=run.redactor,
        script=script,
        executor=executor,
    )


@dataclass(frozen=True, slots=True)
class _Measuring:
    """What it takes to measure a level of an experiment whose endpoint is in service."""

    run: Run
    deals: Deals
    endpoint: Endpoint
    load_of: Callable[[], ExperimentLoad]
    sendings: Callable[[str, tuple[str, ...]], list[Sending]]
    monitor: Monitoring
    watch: LevelWatch

    def earlier_run(self, level: LevelSpec, deal: Deal) -> EarlierRun | None:
        """Which other run has sent prompts of a level to its endpoint."""
        return earlier_run(self.sendings(level.payload_file, self.endpoint.urls), level, deal)


def _measure_and_retry(measuring: _Measuring, level: LevelSpec, position: tuple[int, int]) -> None:
    """Measure a level, and again at once while it is invalid, as often as the config says.

    Raises KeyboardInterrupt where the run is to end.
    """
    run = measuring.run
    _measure_whole(measuring, level, position)
    for _ in range(run.config.load.retry_invalid):
        path = run.workspace.level(level.key)
        if not path.exists() or _verdict(run, path) != "invalid":
            return
        set_aside(run.workspace, level.key)
        _measure_whole(measuring, level, position)


def _measure_whole(measuring: _Measuring, level: LevelSpec, position: tuple[int, int]) -> None:
    """Measure a level; one that is stopped as the run is to pause goes on afterwards."""
    while _measure(measuring, level, position):
        obey_orders(measuring.run.workspace, measuring.watch)


def _verdict(run: Run, path: Path) -> object:
    records, facts = read_level(path)
    return level_row(records, facts, objectives=objectives_of(run.config))["verdict"]


def _measure(measuring: _Measuring, level: LevelSpec, position: tuple[int, int]) -> bool:
    """Measure a level, or record why it could not be measured; `position` is its number, and how many there are.

    Returns whether it is to go on, as it was stopped for a pause. Raises KeyboardInterrupt where the run is to end.
    """
    workspace, endpoint = measuring.run.workspace, measuring.endpoint
    target, failure = workspace.level(level.key), workspace.failed_level(level.key)
    scratch, watch, ending = workspace.level_scratch(level.key), measuring.watch, EndInOrder(workspace)
    watch.begin(level, position)
    try:
        reason = platform(endpoint.platform).why_dead(endpoint) if endpoint.owned and not is_sent(scratch) else ""
        if reason:
            raise DeployError(f"the endpoint is gone: {reason}")
        experiment = measuring.load_of()
        payload = _payload(prompts_to_send(measuring.run, level.experiment, level.payload_file, experiment))
        deal, attempt = continued_attempt(measuring.run, level, endpoint) or next_attempt(
            measuring.run, level, measuring.deals, endpoint, measuring.earlier_run
        )
        prompts = len(deal.warmup) + len(deal.measured)
        check_room(workspace.requests, bytes_of_level(level, payload, prompts), "the level")
        show = functools.partial(watch.show, level)
        beside = measuring.monitor.beside(level.experiment, endpoint, experiment.urls)
        with room_explained(target), beside, ending:
            stopping = Stopping(ending, workspace.level_parts(level.key))
            facts = measure_level(level, deal, payload, experiment, target, scratch, show, attempt, stopping)
    except LevelStoppedError as stopped:
        return _is_to_go_on(measuring, level, stopped, interrupted=ending.interrupted)
    except Exception as error:  # noqa: BLE001 - whatever breaks down in one level must not cost the others
        workspace.note(failure, {**level.key._asdict(), "error": explained(error)})
        watch.failed(level, error)
        return False
    failure.unlink(missing_ok=True)
    watch.measured(level, facts)
    if ending.interrupted:
        raise KeyboardInterrupt
    return False


def _is_to_go_on(measuring: _Measuring, level: LevelSpec, stopped: LevelStoppedError, *, interrupted: bool) -> bool:
    """Whether a level that was stopped goes on in this process, after a pause; what the disk has no room for does not.

    Raises KeyboardInterrupt where the run is to end.
    """
    workspace = measuring.run.workspace
    measuring.watch.stopped(level, stopped)
    if stopped.reason == DISK:
        workspace.note(workspace.failed_level(level.key), {**level.key._asdict(), "error": str(stopped)})
        measuring.watch.failed(level, stopped)
        return False
    if interrupted or not is_to_pause(workspace):
        raise KeyboardInterrupt(str(stopped)) from None
    return True


def _payload(path: Path) -> Sequence[Mapping[str, Any]]:
    """The prompts of a payload file; the levels that follow each other mostly have the same."""
    return _payload_as_of(path, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=1)
def _payload_as_of(path: Path, _written_ns: int) -> Sequence[Mapping[str, Any]]:
    return tuple(read_rows(path))


def measured_table(run: Run) -> pd.DataFrame:
    """One row per level of the config: how many requests were measured, how many failed, or why there are none."""
    failed = run.workspace.failed_levels()
    failures = {
        LevelKey(failure["experiment_name"], failure["payload_file"], failure["load"]): failure["error"]
        for failure in failed
    }
    rows = []
    for level in run_levels(run):
        path = run.workspace.level(level.key)
        row: dict[str, object] = level.key._asdict()
        if path.exists():
            records, facts = read_level(path, columns=["phase", "error"])
            measured = records[records["phase"] == "measured"]
            row |= {"measured": True, "requests": len(measured), "errors": int(measured["error"].notna().sum())}
            row |= {"seconds": facts["ended"] - facts["started"], "ended_by": facts["stop_reason"]}
        else:
            row |= {"measured": False, "requests": 0, "errors": 0, "seconds": None}
            row |= {"ended_by": failures.get(level.key, "not measured")}
        rows.append(row)
    return pd.DataFrame(rows)


def sample_requests(run: Run, count: int = 5) -> pd.DataFrame:
    """A few measured records of the latest level; times are in seconds after the request was due."""
    paths = sorted(run.workspace.levels(), key=lambda path: path.stat().st_mtime)
    if not paths:
        return pd.DataFrame()
    records, _ = read_level(paths[-1])
    few = records[records["phase"] == "measured"].head(count)
    times = few[["sent", "first", "last"]].sub(few["due"], axis=0)
    columns = ["prompt_tokens", "completion_tokens", "token_source", "stamp_source", "error", "completion"]
    return pd.concat([few[["request_id"]], times, few[columns]], axis=1)
