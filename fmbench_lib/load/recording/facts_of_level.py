"""The facts of a level that was sent: what is true of it as a whole."""

from __future__ import annotations

from collections.abc import Sequence

from fmbench_lib.config.arrival_facts import reads
from fmbench_lib.load.levels.attempt import Attempt
from fmbench_lib.load.levels.deal import Deal
from fmbench_lib.load.levels.specs import LevelSpec
from fmbench_lib.load.sending.clocks import ClockPair, longest_gap_ns
from fmbench_lib.load.sending.engine import LevelRun
from fmbench_lib.load.sending.layout import addresses
from fmbench_lib.load.sending.level import Level
from fmbench_lib.load.sending.proxies import proxy_for
from fmbench_lib.metrics.level_facts import AttemptFacts, LevelFacts, LoadFacts

_STOPPED_S = 2.5
"""A worker samples its clocks twice a second, however busy it is."""


def level_facts(
    spec: LevelSpec,
    deal: Deal,
    level: Level,
    run: LevelRun,
    *,
    tokenizer: str | None,
    seed: int,
    attempt: Attempt,
) -> LevelFacts:
    """All facts of a level; `tokenizer` and `seed` are the experiment's and the run's."""
    clocks = run.clocks()
    begin, end = run.window_ns or (None, None)
    return {
        "experiment_name": spec.experiment.name,
        "payload_file": spec.payload_file,
        "load": spec.load,
        "concurrency": spec.concurrency,
        **load_facts(level),
        **attempt_facts(attempt),
        "scheduled_rate": run.scheduled_rate,
        "instance_type": spec.experiment.instance_type,
        "instance_count": spec.experiment.instance_count,
        "started": min(clock.to_unix(clock.monotonic_ns[0]) for clock in clocks),
        "window_start": None if begin is None else clocks[0].to_unix(begin),
        "window_end": None if end is None else clocks[0].to_unix(end),
        "ended": max(clock.to_unix(clock.monotonic_ns[-1]) for clock in clocks),
        "stop_reason": run.stop_reason,
        "stop_note": run.stop_note,
        "requested": deal.asked,
        "warmup": len(level.warmup),
        "workers": len(run.workers),
        "client_cpu": [worker.cpu for worker in run.workers],
        "unix_offset": clocks[0].unix_offset_ns / 1e9,
        "clock_step_s": _clock_step_s(run, clocks),
        "client_stopped_s": _stopped_s(run),
        "client_suspended_s": max(sum(length for _, length in worker.suspensions) for worker in run.workers) / 1e9,
        "parts": [],
        "tokenizer": tokenizer,
        "seed": seed,
        "proxy": proxies_of(level.urls) if level.script is None else None,
        "nodes": list(run.nodes) or None,
    }


def _clock_step_s(run: LevelRun, clocks: Sequence[ClockPair]) -> float:
    """The largest step of the wall clock, but for those that a suspended machine makes."""
    pairs = zip(run.workers, clocks, strict=True)
    return max(clock.largest_step_beside(worker.suspensions) for worker, clock in pairs) / 1e9


def _stopped_s(run: LevelRun) -> float:
    """The longest time in which a load worker did nothing, 0 where none was long enough to mean that it was stopped."""
    longest = max(longest_gap_ns(worker.clock_samples) for worker in run.workers) / 1e9
    return longest if longest > _STOPPED_S else 0.0


def load_facts(level: Level) -> LoadFacts:
    """How the level's requests were sent, without what did not act on it."""
    load, until = level.load, level.load.until
    arrival = load.arrival if level.open_loop else None
    return {
        "request_rate": level.mean_rate,
        "arrival": arrival,
        "burstiness": load.burstiness if arrival is not None and reads(arrival, "burstiness") else None,
        "max_concurrency": load.max_concurrency,
        "think_time": load.think_time or None,
        "ramp": load.ramp or None,
        "until": None if until is None else f"{until.name} within {100 * until.share:.3g}%",
        "prompt_reuse": load.prompt_reuse,
        "timeout": load.timeout,
        "connect_timeout": load.connect_timeout,
        "first_byte_timeout": load.first_byte_timeout,
        "read_timeout": load.read_timeout,
        "balance": load.balance if len(level.urls) > 1 else None,
        "raw_kept": load.keep_raw,
    }


def attempt_facts(attempt: Attempt) -> AttemptFacts:
    """Which attempt this was, and what the endpoint had been sent before it."""
    earlier = attempt.earlier
    return {
        "attempt": attempt.number,
        "resent_prompts": attempt.resent,
        "earlier_run": None if earlier is None else earlier.name,
        "earlier_run_at": None if earlier is None else earlier.at,
        "earlier_prompts": None if earlier is None else earlier.prompts,
        "earlier_ttft_p50": None if earlier is None else earlier.ttft_p50,
    }


def proxies_of(urls: Sequence[str]) -> str | None:
    """The proxies that these addresses are reached through, without credentials; None where all are reached directly.

    Raises InputError for an address or a proxy that cannot be used.
    """
    proxies = sorted({str(proxy) for address in addresses(urls) if (proxy := proxy_for(address)) is not None})
    return ", ".join(proxies) or None
