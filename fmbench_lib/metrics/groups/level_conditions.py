"""How a level was run and why it ended: what its facts say, copied into its row."""

from __future__ import annotations

from fmbench_lib.metrics.columns import Cells, Column
from fmbench_lib.metrics.groups.identity import LOAD
from fmbench_lib.metrics.level_sample import Facts, LevelSample
from fmbench_lib.metrics.missing import NAN, number, or_nan, text
from fmbench_lib.metrics.window import measured_in, window_of

_ENDINGS = (
    "`requests`, `duration`, `prompts`, `trace`, `precision`, `error_rate`, `saturation`, `interrupted`, `node_lost`"
)

CONDITIONS = (
    LOAD,
    Column("requested", "", "whole number", "number of requests asked for"),
    Column("scheduled_rate", "requests/s", "number", "open loop: what the schedule holds in the window, per second"),
    Column("stop_reason", "", "text", f"why the level ended: {_ENDINGS}"),
    Column("stop_note", "", "text", "the figure that ended the level"),
    Column("arrival", "", "text", "open loop: how requests arrive"),
    Column("max_concurrency", "requests", "whole number", "open loop: cap on requests in flight"),
    Column("think_time", "s", "number", "closed loop: pause between an answer and the slot's next request"),
    Column("ramp", "s", "number", "closed loop: time over which the slots open"),
    Column("until", "", "text", "the precision asked for: `ci_p95 within 5%`"),
    Column("proxy", "", "text", "`host:port` of the proxy that requests went through; its time is part of theirs"),
    Column("prompt_reuse", "", "text", "`never`, `across_levels` or `allowed`, as configured"),
    Column("tokenizer", "", "text", "the tokenizer that the prompts were cut with"),
    Column("workers", "", "whole number", "load worker processes"),
    Column("client_cpu_max", "share", "number", "CPU of the busiest load worker, as a share of its core"),
    Column("clock_step_s", "s", "number", "largest step of the client's clock during the level"),
    Column("client_stopped_s", "s", "number", "longest time in which a load worker did not run"),
    Column("client_suspended_s", "s", "number", "time for which the client's machine was suspended"),
    Column("parts", "", "whole number", "parts of a level that was stopped and continued; empty if it was not"),
    Column("parts_gap_s", "s", "number", "time between these parts, which is in no figure"),
    Column(
        "window_start",
        "Unix s",
        "time",
        "start of the measurement window: the end of the warm-up, or an open loop's steady state",
    ),
    Column("window_end", "Unix s", "time", "end of the measurement window: the stop of sending"),
    Column("level_s", "s", "number", "length of the level with warm-up and drain"),
    Column("requests_outside_window", "", "whole number", "measured requests sent outside the window, not counted"),
)


def level_conditions(sample: LevelSample) -> Cells:
    """The columns `CONDITIONS`: the facts under the same names, and what follows from them."""
    facts, window = sample.facts, sample.window
    shares = [float(share) for share in facts.get("client_cpu") or () if share is not None]
    parts = facts.get("parts") or ()
    computed: Cells = {
        "parts": len(parts) or NAN,
        "parts_gap_s": sum(part["gap"] for part in parts) if parts else NAN,
        "client_cpu_max": max(shares, default=NAN),
        "window_start": window.start if window else NAN,
        "window_end": window.end if window else NAN,
        "level_s": _level_seconds(facts),
        "requests_outside_window": _outside(sample),
    }
    return {
        column.name: computed[column.name] if column.name in computed else _fact(facts, column) for column in CONDITIONS
    }


def _fact(facts: Facts, column: Column) -> float | str | None:
    return text(facts, column.name) if column.kind == "text" else or_nan(number(facts, column.name))


def _outside(sample: LevelSample) -> int:
    """Measured requests sent before the window of the facts or after it; those before a steady state are none."""
    measured = (sample.requests["phase"] == "measured").to_numpy(dtype=bool)
    return int((measured & ~measured_in(sample.requests, window_of(sample.facts))).sum())


def _level_seconds(facts: Facts) -> float:
    started, ended = number(facts, "started"), number(facts, "ended")
    return NAN if started is None or ended is None else ended - started
