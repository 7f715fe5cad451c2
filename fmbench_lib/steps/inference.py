"""3_run_inference: every level measured that is not measured yet."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pandas as pd

from fmbench_lib.atomic_files import read_rows
from fmbench_lib.config.schema.precision import parse_precision
from fmbench_lib.deploy import Endpoint, platform
from fmbench_lib.deploy.endpoints_file import endpoints
from fmbench_lib.errors import DeployError, FmbenchError
from fmbench_lib.load.levels.deal import Deal
from fmbench_lib.load.levels.specs import LevelSpec, deal_prompts
from fmbench_lib.load.measure import Setting, measure_level
from fmbench_lib.load.recording.records import read_level
from fmbench_lib.predictors.registry import predictor_for
from fmbench_lib.runs import progress as live
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.deployment import addresses_of, deploy_in_turn, deploy_missing
from fmbench_lib.steps.experiment_scripts import script_of
from fmbench_lib.steps.inputs import ca_bundle, tokenizer_of, trace_of
from fmbench_lib.steps.levels import levels_to_measure, missing_levels, run_levels
from fmbench_lib.steps.machine_sharing import waiting
from fmbench_lib.steps.monitoring import Monitoring, monitoring
from fmbench_lib.steps.payloads import check_prompts, payload_table
from fmbench_lib.steps.step import step

KEY = ("experiment_name", "payload_file", "load")


@step("3_run_inference")
def run_inference(run: Run) -> pd.DataFrame:
    """Measure every level that is not measured yet, experiment by experiment.

    A level that breaks down is noted with its reason and the next one is measured; a search whose level breaks down
    rests until the run is resumed. Returns a table of all levels.
    """
    check_prompts(run)
    if not run.config.run_steps.get("2_deploy_model", True):
        deploy_missing(run)
    payloads = payload_table(run)
    deals = deal_prompts(run.config, dict(zip(payloads["payload_file"], payloads["prompts"], strict=True)))
    served: dict[str, Endpoint | None] = dict(endpoints(run.workspace))
    later = _waiting(run)
    settings = functools.cache(functools.partial(_setting, run))
    try:
        with monitoring(run) as monitor:
            for level, place in levels_to_measure(run):
                name = level.experiment.name
                if name in later:
                    later.remove(name)
                    monitor.end()  # or it would watch a server that is being taken down
                    served[name] = deploy_in_turn(run, level.experiment)
                endpoint = served.get(name)
                if endpoint is None or endpoint.status != "in_service":
                    continue  # its deployment failed, which is reported as such
                setting_of = functools.partial(settings, name)
                _measure(run, level, deals[level.deal_key], endpoint, setting_of, place, monitor)
                run.workspace.keep()  # between two levels, while nothing is being measured
    finally:
        live.clear(run.workspace)
    return measured_table(run)


def _waiting(run: Run) -> set[str]:
    """The experiments that are deployed only when those before them have been measured."""
    return set(waiting(run.config, {level.experiment.name for level in missing_levels(run)}))


def _setting(run: Run, name: str) -> Setting:
    experiment = next(one for one in run.config.experiments if one.name == name)
    endpoint = endpoints(run.workspace)[name]
    urls = addresses_of(endpoint, experiment)
    load = run.config.load
    tokenizer = tokenizer_of(run, experiment)
    return Setting(
        urls=urls,
        predictor=predictor_for(experiment, urls[0], endpoint.model or experiment.model_id, run.loaded.folder),
        tokenizer=tokenizer,
        tokenizer_name=tokenizer.name,
        timeout=experiment.inference_spec.timeout or load.timeout,
        workers=load.workers if isinstance(load.workers, int) else None,
        arrival=load.arrival,
        prompt_reuse=load.prompt_reuse,
        seed=run.seed,
        burstiness=load.burstiness,
        trace=trace_of(run),
        max_concurrency=load.max_concurrency,
        think_time=load.think_time,
        ramp=load.ramp,
        until=None if load.until is None else parse_precision(load.until),
        stop_on_error_rate=load.stop_on_error_rate or None,
        stop_on_saturation=load.stop_on_saturation,
        connect_timeout=load.connect_timeout,
        first_byte_timeout=load.first_byte_timeout,
        read_timeout=load.read_timeout,
        balance=load.balance,
        keep_raw=load.keep_raw,
        ca_file=ca_bundle(run),
        script=script_of(run, experiment, endpoint.urls[0]),
        redact=run.workspace.redact,
    )


def _measure(
    run: Run,
    level: LevelSpec,
    deal: Deal,
    endpoint: Endpoint,
    setting_of: Callable[[], Setting],
    place: tuple[int, int],
    monitor: Monitoring,
) -> None:
    workspace = run.workspace
    target, failure = workspace.level(*level.key), workspace.failed_level(*level.key)
    label = f"{level.experiment.name} · {level.payload_file} · {level.load}"
    payload = list(read_rows(workspace.payload(level.payload_file)))
    workspace.log_event("level started", level=label)
    try:
        reason = platform(endpoint.platform).why_dead(endpoint) if endpoint.owned else ""
        if reason:
            raise DeployError(f"the endpoint is gone: {reason}")
        setting = setting_of()
        with monitor.beside(level.experiment, endpoint, setting.urls):
            facts = measure_level(
                level,
                deal,
                payload,
                setting,
                target,
                workspace.level_scratch(*level.key),
                functools.partial(live.publish, workspace, label, *place),
            )
    except FmbenchError as error:
        workspace.note(failure, {**dict(zip(KEY, level.key, strict=True)), "error": str(error)})
        workspace.log_event("level failed", level=label, error=str(error))
        return
    failure.unlink(missing_ok=True)
    workspace.log_event("level measured", level=label, stop_reason=facts["stop_reason"])


def measured_table(run: Run) -> pd.DataFrame:
    """One row per level of the config: how many requests were measured, how many failed, or why there are none."""
    failures = {tuple(one[key] for key in KEY): one["error"] for one in run.workspace.failed_levels()}
    rows = []
    for level in run_levels(run):
        path = run.workspace.level(*level.key)
        row: dict[str, object] = dict(zip(KEY, level.key, strict=True))
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
    """A few measured records of the level that was measured last; times in seconds after the request was due."""
    paths = sorted(run.workspace.levels(), key=lambda path: path.stat().st_mtime)
    if not paths:
        return pd.DataFrame()
    records, _ = read_level(paths[-1])
    few = records[records["phase"] == "measured"].head(count)
    times = few[["sent", "first", "last"]].sub(few["due"], axis=0)
    columns = ["prompt_tokens", "completion_tokens", "token_source", "stamp_source", "error", "completion"]
    return pd.concat([few[["request_id"]], times, few[columns]], axis=1)
