"""What an index keeps of a run: what it is, and the figures of its levels, each level once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fmbench_lib.config.repeat_names import split_repeat
from fmbench_lib.metrics.measuring_again import AGAIN, last_attempts
from fmbench_lib.metrics.missing import Row, number, text
from fmbench_lib.metrics.quality_and_cost import quality_measure
from fmbench_lib.metrics.reasons import reasons_of
from fmbench_lib.metrics.repeated_levels import level_of
from fmbench_lib.metrics.token_rates import token_rates

_ENDS = ("", "_low", "_high")
_WITH_INTERVAL = (
    "latency_p50", "latency_p95", "latency_p99", "TTFT_p50", "TTFT_p95", "TPOT_p50", "TPOT_p95",
    "transactions_per_minute", "completion_token_throughput", "price_per_10k_txn",
)  # fmt: skip
_OF_LEVEL = (
    "requests", "successes", "error_rate", "prompt_token_count_mean", "completion_token_count_mean",
    *(f"{name}{end}" for name in _WITH_INTERVAL for end in _ENDS),
)  # fmt: skip
_QUALITY = ("quality", "quality_low", "quality_high", "quality_n")
FIGURES: tuple[str, ...] = (*_OF_LEVEL, "price_per_1m_tokens", *_QUALITY)
"""The figures of a level, by the columns of `all_metrics_summary.csv`; `quality` is that of `quality_measure`."""

NEWEST_FORMAT = 1
"""Of `summary.json`: one of a later format is not read, as its names may mean something else."""


@dataclass(frozen=True, slots=True)
class IndexedExperiment:
    """An experiment as the config of its run describes it; what the config does not say is None."""

    name: str
    model: str | None = None
    stack: str | None = None
    instance: str | None = None


@dataclass(frozen=True, slots=True)
class IndexedLevel:
    """A level, over its repeats where it has several.

    `prompts`: the first digits of the hash of its payload file, None where unknown · `load`: its name without the
    repeat · `growing`: its queue grew, so its percentiles tell how long was measured · `chosen`: its run's winner ·
    `figures`: by `FIGURES`; None is not known.
    """

    experiment: IndexedExperiment
    payload_file: str
    prompts: str | None
    load: str
    concurrency: float | None
    request_rate: float | None
    repeats: int
    verdict: str
    reasons: str
    imported_from: str | None
    growing: bool
    chosen: bool
    quality_measure: str | None
    figures: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class IndexedRun:
    """A run. `created`: Unix seconds, None where unknown · `problem`: why a file of it cannot be used, else empty ·
    `page`: whether it has a `report.html`."""

    name: str
    run_id: str
    created: float | None
    status: str
    decision: str = ""
    fmbench: str | None = None
    client: str | None = None
    cost_measuring: float | None = None
    analysed: bool = False
    page: bool = False
    problem: str = ""
    tags: tuple[str, ...] = ()
    experiments: tuple[IndexedExperiment, ...] = ()
    levels: tuple[IndexedLevel, ...] = ()

    @property
    def title(self) -> str:
        """`name/run id`."""
        return f"{self.name}/{self.run_id}"


@dataclass(frozen=True, slots=True)
class RunDocuments:
    """The files of a run, parsed: `run.json`, `summary.json`, `config.yml`, the index of its payload files, its tags.

    What a run does not have is None, and the tags are empty. `named_by_ep_name`: the platforms whose `ep_name` is the
    model.
    """

    state: Mapping[str, Any]
    summary: Mapping[str, Any] | None = None
    config: Mapping[str, Any] | None = None
    payloads: Mapping[str, Any] | None = None
    tags: Sequence[str] = field(default=())
    page: bool = False
    named_by_ep_name: Collection[str] = ()


def indexed_run(documents: RunDocuments) -> IndexedRun:
    """What an index keeps of a run. Raises KeyError, TypeError or ValueError for documents that no run has."""
    state, summary = documents.state, documents.summary
    if not isinstance(state, Mapping) or not isinstance(state.get("run_id"), str):
        raise ValueError("run.json is not that of a run: it has no run_id")
    experiments = _experiments(documents.config, documents.named_by_ep_name)
    host, versions = _mapping(state.get("host")), _mapping(state.get("versions"))
    client = ", ".join(str(host[key]) for key in ("processor", "cores", "system") if key in host)
    return IndexedRun(
        name=str(state.get("name") or ""),
        run_id=state["run_id"],
        created=_moment(state.get("created")),
        status=str(state.get("status") or "unknown"),
        decision="" if summary is None else str(_mapping(summary.get("decision")).get("text") or ""),
        fmbench=text(versions, "fmbench"),
        client=client or None,
        cost_measuring=None if summary is None else number(summary, "cost_measuring"),
        analysed=summary is not None,
        page=documents.page,
        tags=tuple(sorted({str(tag) for tag in documents.tags})),
        experiments=experiments,
        levels=() if summary is None else _levels(summary, experiments, _hashes(documents.payloads)),
    )


def _levels(
    summary: Mapping[str, Any], experiments: Sequence[IndexedExperiment], hashes: Mapping[str, str]
) -> tuple[IndexedLevel, ...]:
    if (number(summary, "format") or 0) > NEWEST_FORMAT:
        raise ValueError(f"summary.json has format {summary['format']}: a later version of fmbench wrote it")
    rows = _rows(summary, "levels")
    repeated = {level_of(row): row for row in _rows(summary, "repeated_levels")}
    by_name = {one.name: one for one in experiments}
    winner = _mapping(_mapping(summary.get("decision")).get("winner"))
    chosen = level_of(winner) if winner else None
    once: dict[tuple[str, str, str], Row] = {}
    for row, counts in zip(rows, last_attempts(rows), strict=True):
        if counts:
            once.setdefault(level_of(row), repeated.get(level_of(row), row))
    return tuple(_level(row, by_name, hashes, key == chosen) for key, row in once.items())


def _level(row: Row, by_name: Mapping[str, IndexedExperiment], hashes: Mapping[str, str], chosen: bool) -> IndexedLevel:
    name, payload = str(row["experiment_name"]), str(row["payload_file"])
    measured = [key for key in row if _number(row, key) is not None]
    measure = quality_measure(measured)
    figures = {column: _number(row, column) for column in _OF_LEVEL}
    figures["price_per_1m_tokens"] = token_rates(row)["price_per_1m_tokens"]
    figures |= {
        column: _number(row, f"{measure}{column.removeprefix('quality')}") if measure else None for column in _QUALITY
    }
    return IndexedLevel(
        experiment=_of_row(row, by_name.get(name, IndexedExperiment(name))),
        payload_file=payload,
        prompts=hashes.get(payload),
        load=split_repeat(str(row["load"]))[0],
        concurrency=number(row, "concurrency"),
        request_rate=number(row, "request_rate"),
        repeats=int(number(row, "repeats") or 1),
        verdict=text(row, "verdict") or "unknown",
        reasons="; ".join(one for one in reasons_of(text(row, "verdict_reasons")) if not one.startswith(AGAIN)),
        imported_from=text(row, "imported_from"),
        growing=row.get("sustainable") in (False, "no"),
        chosen=chosen,
        quality_measure=measure,
        figures=figures,
    )


def _number(row: Row, key: str) -> float | None:
    """The number under `key`; None for what is missing and for what is none."""
    value = row.get(key)
    return None if isinstance(value, bool | list | dict) else number(row, key)


def _of_row(row: Row, said: IndexedExperiment) -> IndexedExperiment:
    """The experiment with the instances that the level ran on, as its row says them, and another tool as its stack."""
    kind, count = text(row, "instance_type"), number(row, "instance_count")
    instance = kind if kind is None or count in (None, 1) else f"{count:g} × {kind}"
    tool = text(row, "imported_from")
    stack = said.stack if tool is None else f"imported: {tool.partition(', ')[0]}"
    return IndexedExperiment(said.name, said.model, stack, instance or said.instance)


def _experiments(config: Mapping[str, Any] | None, named_by_ep_name: Collection[str]) -> tuple[IndexedExperiment, ...]:
    """The experiments of a resolved config."""
    if config is None:
        return ()
    general = _mapping(config.get("general"))
    named = text(general, "model_name")
    whole = named if named != text(general, "name") else None
    said = (one for one in config.get("experiments") or () if isinstance(one, Mapping))
    return tuple(_experiment(one, whole, named_by_ep_name) for one in said)


def _experiment(said: Mapping[str, Any], whole: str | None, named_by_ep_name: Collection[str]) -> IndexedExperiment:
    platform, spec = text(said, "platform"), _mapping(said.get("inference_spec"))
    served_by = text(spec, "container_type") or text(spec, "backend") or text(said, "protocol")
    model = text(said, "model_name") or text(said, "model_id")
    if model is None and platform in named_by_ep_name:
        model = text(said, "ep_name")
    kind, count = text(said, "instance_type"), number(said, "instance_count")
    return IndexedExperiment(
        name=str(said.get("name") or ""),
        model=model or whole,
        stack=" ".join(part for part in (platform, served_by) if part) or None,
        instance=kind if kind is None or count in (None, 1) else f"{count:g} × {kind}",
    )


def _hashes(payloads: Mapping[str, Any] | None) -> dict[str, str]:
    found = [] if payloads is None else payloads.get("payloads") or []
    return {
        str(one["payload_file"]): str(one["sha256"])[:12]
        for one in found
        if isinstance(one, Mapping) and one.get("sha256") and one.get("payload_file")
    }


def _rows(summary: Mapping[str, Any], name: str) -> list[Row]:
    rows = summary.get(name) or []
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise ValueError(f"summary.json is not that of a run: {name} is not a list of levels")
    return rows


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _moment(said: Any) -> float | None:
    """Unix seconds of a moment in ISO's form; None where there is none."""
    try:
        moment = datetime.fromisoformat(str(said))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
