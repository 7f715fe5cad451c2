"""How requests are sent: the `load` section as a config spells it, and how it is resolved to settings."""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated, Any, ClassVar, Literal

from pydantic import PlainValidator

from fmbench_lib.config.arrival_facts import ARRIVALS, known_arrivals
from fmbench_lib.config.load_settings import LoadSettings, TraceEntry
from fmbench_lib.config.precision import parse_precision
from fmbench_lib.config.schema.ray_section import RaySection
from fmbench_lib.config.schema.search_objectives import Find, Subjects
from fmbench_lib.config.schema.section import Section, described
from fmbench_lib.config.schema.values import (
    Burstiness,
    Concurrency,
    FileName,
    Flag,
    Fraction,
    Kind,
    Levels,
    NoSeconds,
    Rate,
    Repeats,
    Requests,
    ResponseBytes,
    Retries,
    Seconds,
    Until,
    WarmUp,
    Workers,
    one_of,
)

PROMPT_REUSE = ("never", "across_levels", "allowed")
BALANCES = ("least_outstanding", "round_robin")
EXECUTORS = ("local", "ray")


def _arrival(value: Any) -> str:
    """An arrival process's name."""
    if isinstance(value, str) and value.strip() in ARRIVALS:
        return value.strip()
    return one_of(*known_arrivals())(value)  # last, as it reads the metadata of every installed package


PromptReuse = Annotated[
    Literal["never", "across_levels", "allowed"],
    PlainValidator(one_of(*PROMPT_REUSE)),
    Kind("`never`, `across_levels` or `allowed`"),
]
Arrival = Annotated[
    str,
    PlainValidator(_arrival),
    Kind(", ".join(f"`{name}`" for name in ARRIVALS) + " or an installed process's name"),
]
Balance = Annotated[
    Literal["least_outstanding", "round_robin"],
    PlainValidator(one_of(*BALANCES)),
    Kind("`least_outstanding` or `round_robin`"),
]
Executor = Annotated[Literal["local", "ray"], PlainValidator(one_of(*EXECUTORS)), Kind("`local` or `ray`")]


class LoadSection(Section):
    """How requests are sent. `requests` or `duration` ends a level, whichever comes first."""

    strict: ClassVar[bool] = True

    requests: Requests | None = described("Measured requests per level.", None)
    duration: Seconds | None = described("Length of a level's measurement.", None)
    repeats: Repeats = described(
        "How often each level of `concurrency_levels`, `request_rates` or a trace is measured, each time with other "
        "arrivals and prompts. The levels of all experiments take turns in an order drawn from the seed; 3 and more "
        "give intervals that hold from one measurement to the next.",
        1,
    )
    warmup_requests: WarmUp = described(
        "Requests before the measurement starts, in a closed loop at least the first of each slot. They are not "
        "counted, and use prompts that are not measured.",
        8,
    )
    timeout: Seconds = described("A request that takes longer is an error of class `timeout`.", 120.0)
    workers: Workers = described(
        "Client processes. `auto` is one per free core, but a single one with `max_concurrency`, or several copies and "
        "`least_outstanding`: several processes would each count only their own share.",
        "auto",
    )
    executor: Executor = described(
        "What sends the requests: this machine, or the machines of a Ray cluster (extra `ray`, see ray.md).", "local"
    )
    ray: RaySection = described(
        "The cluster of `executor: ray`, see below.", RaySection(), shown_default="all defaults"
    )
    prompt_reuse: PromptReuse = described(
        "Whether a prompt may be sent again: `never`, only `across_levels`, or `allowed` within a level too.",
        "never",
        shown_default="`never`; `allowed` when the config has no `load` section",
    )
    arrival: Arrival = described("How the requests of a `request_rates` level are spaced.", "poisson")
    burstiness: Burstiness = described(
        "Shape of `arrival: gamma`: the gaps vary by 1/√burstiness of their mean; 1 is Poisson, less comes in bursts.",
        1.0,
    )
    trace: FileName | None = described(
        "File of `arrival: trace`: lines of JSON or CSV with `time` in seconds and, to follow lengths too, "
        "`prompt_tokens` and `completion_tokens`. Without `request_rates` it keeps its own pace.",
        None,
    )
    max_concurrency: Concurrency | None = described(
        "Open loop: most requests in flight. A request that is due waits, and the wait is part of its latency.",
        None,
        shown_default="no cap",
    )
    think_time: NoSeconds = described("Closed loop: time between an answer and the slot's next request.", 0.0)
    ramp: NoSeconds = described(
        "Closed loop: time over which the slots open, one after the other; requests sent in it are warm-up.", 0.0
    )
    until: Until | None = described(
        "Ends a level when a percentile is known precisely enough: `ci_p95 < 5%` (of latency) or `ci_TTFT_p95 < 5%`.",
        None,
    )
    stop_on_error_rate: Fraction = described(
        "Ends a level when this share of the latest requests has failed; with 0 it never ends one.", 1.0
    )
    stop_on_saturation: Flag = described(
        "Open loop: ends a level when the endpoint cannot keep up, so that requests in flight grow steadily.", False
    )
    connect_timeout: Seconds | None = described("Longest time to open a connection.", None, shown_default="`timeout`")
    first_byte_timeout: Seconds | None = described(
        "Longest time from sending to the first byte.", None, shown_default="`timeout`"
    )
    read_timeout: Seconds | None = described("Longest time between bytes.", None, shown_default="`timeout`")
    max_response_bytes: ResponseBytes = described(
        "Longest response, headers included; each read counts 128 bytes more, as its times take memory too. A longer "
        "one is ended and is an error of class `protocol`.",
        64 << 20,
        shown_default="`67108864` (64 MiB)",
    )
    balance: Balance = described(
        "How requests are spread over the copies of a model. `least_outstanding` spares a copy whose requests fail one "
        "after the other, for 0.1 s and then twice as long each time, up to 5 s.",
        "least_outstanding",
    )
    retry_invalid: Retries = described(
        "How often a level whose verdict is `invalid` is measured again at once. All attempts are kept, and the last "
        "one counts.",
        0,
    )
    keep_raw: Flag = described("Whether the raw responses are kept, compressed, beside each level's records.", False)
    ca_bundle: FileName | None = described(
        "PEM file of the authorities that servers' certificates are checked against.",
        None,
        shown_default="`SSL_CERT_FILE` of the environment, else the system's",
    )
    find: Find | None = described(
        "Search, instead of or after given levels, the greatest load that meets `subject_to`.", None
    )
    subject_to: Subjects = described(
        "Objectives of the search, by column: mean, p50, p90, p95 or p99 of TTFT, TPOT, ITL or latency and "
        "error_rate are limits from above, goodput and slo_attainment from below. error_rate is limited as in "
        "report.budgets unless it is given here.",
        {},
    )
    find_levels: Levels = described("Levels that a search may measure.", 12)
    find_start: Rate = described("Load that a search tries first.", 1.0, shown_default="`1`")
    find_most: Rate | None = described("Greatest load that a search may try.", None, shown_default="no bound")


def load_settings(
    section: LoadSection,
    *,
    timeout: float | None = None,
    trace: tuple[TraceEntry, ...] | None = None,
    ca_bundle: str | None = None,
) -> LoadSettings:
    """Resolve a `load` section.

    :param timeout: the experiment's own, in seconds; None where it has none.
    :param trace: the requests in the section's trace file, `ca_bundle` the path of its bundle of authorities.
    """
    resolved = {field.name: getattr(section, field.name) for field in fields(LoadSettings)}
    resolved |= {
        "timeout": timeout or section.timeout,
        "workers": section.workers if isinstance(section.workers, int) else None,
        "until": None if section.until is None else parse_precision(section.until),
        "stop_on_error_rate": section.stop_on_error_rate or None,
        "trace": trace,
        "ca_bundle": ca_bundle,
    }
    return LoadSettings(**resolved)
