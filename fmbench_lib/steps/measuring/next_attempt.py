"""The next attempt at a level: with prompts that the endpoint has not seen, as far as there are any."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fmbench_lib.deploy import Endpoint
from fmbench_lib.load.levels.attempt import Attempt, EarlierRun, deal_again
from fmbench_lib.load.levels.deal import Deal
from fmbench_lib.load.levels.specs import LevelSpec, sharing_servers
from fmbench_lib.load.recording.level_parts import stopped_level
from fmbench_lib.load.recording.records import read_facts
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.measuring.attempts_log import AttemptsLog, PastAttempt, past_attempts
from fmbench_lib.steps.run_inputs.levels import run_levels
from fmbench_lib.steps.run_inputs.payloads import payload_index
from fmbench_lib.workspace import LevelKey, Workspace, raw_file

Deals = Mapping[LevelKey, Deal]


def next_attempt(
    run: Run,
    level: LevelSpec,
    deals: Deals,
    endpoint: Endpoint,
    earlier_run: Callable[[LevelSpec, Deal], EarlierRun | None],
) -> tuple[Deal, Attempt]:
    """What the next attempt at a level sends, and what is recorded of it.

    `earlier_run` tells which other run has sent its prompts to an endpoint that this run has not deployed itself.
    """
    workspace, key = run.workspace, level.key
    past = _past(workspace, key)
    number = 1 + max([each.number for each in past] + [each for each, _ in workspace.earlier_attempts(key)], default=0)
    dealt, resent = _deal(run, level, deals, endpoint, first=number == 1)
    earlier = None if endpoint.owned else earlier_run(level, dealt)
    log = AttemptsLog(workspace.attempts_file(key), past, number)
    return dealt, Attempt(number, resent, earlier, log.began, log.ended)


def continued_attempt(run: Run, level: LevelSpec, endpoint: Endpoint) -> tuple[Deal, Attempt] | None:
    """What an attempt that was stopped has left to send, and what is recorded of it; None where none was stopped.

    Its prompts are those of then. What was in flight when it was stopped, or sent by a process that was killed, is sent
    a second time.
    """
    workspace, key = run.workspace, level.key
    begun = stopped_level(workspace.level_parts(key))
    if begun is None:
        return None
    number, past = begun.facts["attempt"], _past(workspace, key)
    since = (endpoint.in_service_at or 0.0) if endpoint.owned else 0.0
    again = [each for each in past if each.number == number and each.began >= since]
    left = set(begun.deal.measured[begun.kept :])
    resent = len(left.intersection(*(each.prompts_sent for each in again))) if again else 0
    log = AttemptsLog(workspace.attempts_file(key), [each for each in past if each.number != number], number)
    return begun.deal, Attempt(
        number, resent if run.config.load.prompt_reuse == "never" else None, None, log.began, log.ended
    )


def set_aside(workspace: Workspace, key: LevelKey) -> int | None:
    """Keep a level's records under their number, so that the level counts as not measured; returns that number.

    Returns None for a level that has no records.
    """
    path = workspace.level(key)
    if not path.exists():
        return None
    before = [number for number, _ in workspace.earlier_attempts(key)]
    number = int(read_facts(path).get("attempt") or len(before) + 1)
    number = number if number not in before else max(before) + 1
    aside = workspace.earlier_attempt(key, number)
    if raw_file(path).exists():
        raw_file(path).replace(raw_file(aside))
    path.replace(aside)
    workspace.log_event("level set aside", level=" · ".join(key), attempt=number)
    return number


def _past(workspace: Workspace, key: LevelKey) -> list[PastAttempt]:
    return past_attempts(workspace.attempts_file(key), workspace.level_scratch(key))


def _deal(run: Run, level: LevelSpec, deals: Deals, endpoint: Endpoint, *, first: bool) -> tuple[Deal, int | None]:
    """The prompts of an attempt, and how many of them had been sent before; None where they may be."""
    dealt, reuse = deals[level.deal_key], run.config.load.prompt_reuse
    if first or reuse == "allowed":
        return dealt, 0 if reuse == "never" else None
    prompts, seed = payload_index(run).counts[level.payload_file], f"{run.seed}/{'/'.join(level.key)}/again"
    since = (endpoint.in_service_at or 0.0) if endpoint.owned else 0.0  # a new server has seen nothing
    if reuse == "across_levels":
        own = _sent_to(run.workspace, [level.experiment.name], level.payload_file, since, only=level.key)
        return deal_again(dealt, prompts, own, (), seed)[0], None
    group = next(group for group in sharing_servers(run.config.experiments) if level.experiment in group)
    names = [experiment.name for experiment in group]
    sent = _sent_to(run.workspace, names, level.payload_file, since)
    if not run.workspace.attempts_file(level.key).exists():
        sent |= {*dealt.warmup, *dealt.measured}  # measured by a version that did not write down what it sent
    return deal_again(dealt, prompts, sent, _reserved(run, level, deals, names), seed)


def _sent_to(
    workspace: Workspace, experiments: list[str], payload_file: str, since: float, only: LevelKey | None = None
) -> set[int]:
    """The prompts of a payload file that these experiments' attempts have sent since then."""
    sent: set[int] = set()
    for name in experiments:
        for path in workspace.attempts_files(name, payload_file):
            key = workspace.level_of_attempts(path, name, payload_file)
            if only is None or key == only:
                attempts = _past(workspace, key)
                sent.update(*(attempt.prompts_sent for attempt in attempts if attempt.began >= since))
    return sent


def _reserved(run: Run, level: LevelSpec, deals: Deals, experiments: list[str]) -> set[int]:
    """The prompts of other levels that are still to be measured."""
    done = {spec.deal_key for spec in run_levels(run) if run.workspace.level(spec.key).exists()}
    reserved: set[int] = set()
    for key, deal in deals.items():
        same = key.payload_file == level.payload_file and key.experiment_name in experiments
        if same and key != level.deal_key and key not in done:
            reserved.update(deal.warmup, deal.measured)
    return reserved
