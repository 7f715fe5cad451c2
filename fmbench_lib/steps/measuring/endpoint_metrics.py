"""The samples of the endpoints' machines beside the levels: tables, and what the report shows of them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fmbench_lib.config import Experiment
from fmbench_lib.config.platforms import platform_facts
from fmbench_lib.config.schema.energy_section import EnergySection
from fmbench_lib.deploy import Endpoint
from fmbench_lib.deploy.endpoints_file import endpoints
from fmbench_lib.host.atomic_files import replacing
from fmbench_lib.load.recording.records import read_facts
from fmbench_lib.load.recording.stored_level import StoredLevel
from fmbench_lib.metrics.level_sample import Facts
from fmbench_lib.metrics.steady_window import measured_window
from fmbench_lib.metrics.window import Window
from fmbench_lib.monitors import cloudwatch, sample_table
from fmbench_lib.monitors import level_summary as levels
from fmbench_lib.monitors.energy_figures import energy_figures
from fmbench_lib.monitors.host_figures import host_figures
from fmbench_lib.monitors.level_spans import Span, in_order
from fmbench_lib.monitors.metric_names import NO_TTFT, STACKS
from fmbench_lib.monitors.samples import Reading, SampleWriter, Track, read_samples
from fmbench_lib.report.report_data import EndpointMetrics
from fmbench_lib.runs.run import Run
from fmbench_lib.workspace import LevelKey

_CLOUDWATCH = "cloudwatch"
_COMPLETE_AFTER_S = 300.0
_LOOK_AGAIN_S = 15.0
_KEY = list(LevelKey._fields)
_TTFT_COLUMNS = [*_KEY, "client_n", "client_mean", "client_p95", "server_n", "server_mean", "server_p95"]


@dataclass(frozen=True, slots=True)
class Sampled:
    """What was sampled beside the levels of an experiment (`spans`, in order), and what the monitors noted."""

    experiment_name: str
    spans: list[Span]
    lines: list[sample_table.Line]
    notes: list[str]


def sampled(run: Run, measured: Iterable[Span], only: str | None = None) -> list[Sampled]:
    """The samples of each experiment, or of the one called `only`, on the clock of its levels."""
    spans = in_order(measured)
    found = []
    for experiment in run.config.experiments:
        if only not in (None, experiment.name):
            continue
        its_spans = [span for span in spans if span.key.experiment_name == experiment.name]
        samples = read_samples(run.workspace.samples_of(experiment.name))
        lines = sample_table.lines_of(samples.tracks, its_spans)
        notes = [run.redactor(f"{note.source}: {note.text}") for note in samples.notes]
        found.append(Sampled(experiment.name, its_spans, lines, notes))
    return found


def beside_host(measured: Iterable[Facts], samples: Sequence[Sampled], energy: EnergySection) -> list[Facts]:
    """The facts of levels, with what their machine was doing, and the energy that it took, among them."""
    known: dict[LevelKey, tuple[Span, Sampled]] = {span.key: (span, each) for each in samples for span in each.spans}
    return [
        {**_with_host(facts, span, each.lines), **_energy(span, each, energy)}
        for facts in measured
        for span, each in [known[_key_of(facts)]]
    ]


def _energy(span: Span, sampled_beside: Sampled, energy: EnergySection) -> Facts:
    """The energy of a level, and what the config says of its price and emissions."""
    spans = sampled_beside.spans
    place = spans.index(span)
    earlier = spans[place - 1].ended if place else float("-inf")
    later = spans[place + 1].started if place + 1 < len(spans) else float("inf")
    return {
        **energy_figures(sampled_beside.lines, span, earlier, later, energy.idle_watts),
        "energy_usd_per_kwh": energy.usd_per_kwh,
        "energy_grams_co2_per_kwh": energy.grams_co2_per_kwh,
    }


def _key_of(facts: Facts) -> LevelKey:
    return LevelKey(facts["experiment_name"], facts["payload_file"], facts["load"])


def _with_host(facts: Facts, span: Span, lines: Sequence[sample_table.Line]) -> Facts:
    shares = facts.get("client_cpu") or ()
    workers = sum(shares) if shares and None not in shares else None
    return {**facts, **host_figures(lines, span, workers)}


def endpoint_metrics(run: Run, measured: Sequence[StoredLevel], samples: Sequence[Sampled]) -> EndpointMetrics:
    """Everything that was sampled, summarised by the levels that were measured."""
    lines = [(each.experiment_name, line) for each in samples for line in each.lines]
    notes = [(each.experiment_name, note) for each in samples for note in each.notes]
    summary = levels.joined([levels.summary_frame(each.lines, each.spans) for each in samples], levels.COLUMNS)
    return EndpointMetrics(
        samples=sample_table.samples_frame(lines),
        summary=summary,
        ttft=_ttft_frame(measured, summary),
        no_ttft=dict(_no_ttft(summary)),
        notes=list(dict.fromkeys(notes)),
        interval=run.config.monitors.interval if run.config.monitors.enabled else None,
    )


def span_of(records: pd.DataFrame, facts: Facts) -> Span:
    """When a level ran; its window is that of its other figures, an open loop's from its steady state on."""
    return span_in(facts, measured_window(records, facts))


def span_in(facts: Facts, window: Window | None) -> Span:
    """When a level ran whose window is known."""
    return Span.of(facts, None if window is None else (window.start, window.end))


def _ttft_frame(measured: Sequence[StoredLevel], summary: pd.DataFrame) -> pd.DataFrame:
    """TTFT by the server beside TTFT by the client, as far as possible of the same requests.

    The client's are all successes of the level, warm-up included, from the first byte sent, because the server's clock
    starts with the request.
    """
    rows = []
    for level in measured:
        key = _key_of(level.facts)
        server = _server_ttft(summary, key)
        if server is None:
            continue
        records = level.records(["first", "sent", "error"])
        times = (records["first"] - records["sent"])[records["error"].isna()].dropna().to_numpy(dtype=float)
        client = [len(times), float(times.mean()), float(np.percentile(times, 95))] if len(times) else [0, None, None]
        rows.append([*key, *client, *server])
    return pd.DataFrame(rows, columns=_TTFT_COLUMNS)


def _server_ttft(summary: pd.DataFrame, key: LevelKey) -> list[float | None] | None:
    """Number, mean and p95 of a level's TTFT by the server, over its copies; None if it publishes none."""
    rows = summary[(summary[_KEY] == list(key)).all(axis=1) & (summary["metric"] == "server_ttft")]
    rows = rows[~rows["labels"].str.contains('"statistic": "Maximum"', regex=False)]
    if rows.empty:
        return None
    counts = rows["n"].to_numpy(dtype=float)
    from_cloudwatch = (rows["source"] == "cloudwatch").all()
    p95 = rows["p95"].iloc[0] if len(rows) == 1 and not from_cloudwatch else None  # those of copies cannot be pooled
    mean = float(np.average(rows["mean"].to_numpy(dtype=float), weights=counts))
    return [None if from_cloudwatch else float(counts.sum()), mean, p95]


def _no_ttft(summary: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """The experiments without a TTFT by the server, each with the reason."""
    for name, rows in summary.groupby("experiment_name", sort=False):
        stacks = [stack for stack in rows["source"].unique() if stack in STACKS.values()]
        if not stacks:
            yield str(name), "no metrics page of its server was read"
        elif not (rows["metric"] == "server_ttft").any():
            reason = next((NO_TTFT[stack] for stack in stacks if stack in NO_TTFT), None)
            yield str(name), reason or "its server published no time to first token"


# -- CloudWatch ------------------------------------------------------------------------------------------------------


def collect_cloudwatch(run: Run) -> bool:
    """Fetch what CloudWatch has of the levels, unless it is complete already; returns whether anything was fetched.

    A failure is noted among the samples.
    """
    wanted = run.config.monitors
    if not wanted.enabled or wanted.cloudwatch == "no":
        return False
    fetched = False
    known = endpoints(run.workspace)
    for experiment in run.config.experiments:
        endpoint = known.get(experiment.name)
        subject = None if endpoint is None else subject_of(experiment, endpoint)
        spans = [Span.of(read_facts(path)) for path in run.workspace.levels_of(experiment.name)]
        if subject is not None and spans:
            fetched = _collect(run, experiment.name, subject, spans) or fetched
    return fetched


def subject_of(experiment: Experiment, endpoint: Endpoint) -> cloudwatch.Subject | None:
    """How CloudWatch identifies an endpoint; None if it has no metrics of it."""
    known, named_by = endpoint.cloudwatch, platform_facts(endpoint.platform).cloudwatch
    if known is None or named_by is None:
        return None
    if named_by == "model":
        return cloudwatch.bedrock_subject(known.dimensions["ModelId"], known.region)
    variant = known.dimensions.get("VariantName") or experiment.production_variant_name
    return cloudwatch.sagemaker_subject(known.dimensions["EndpointName"], variant, known.region)


def _collect(run: Run, experiment: str, subject: cloudwatch.Subject, spans: Sequence[Span]) -> bool:
    start, end = min(span.started for span in spans), max(span.ended for span in spans)
    path = run.workspace.samples(experiment, _CLOUDWATCH)
    if path.exists() and path.stat().st_mtime > end + _COMPLETE_AFTER_S:
        return False
    deadline = time.monotonic() + run.config.monitors.cloudwatch_wait
    tracks: list[Track] = []
    note = ""
    try:
        while True:
            tracks = cloudwatch.fetch(subject, start, end)
            left = deadline - time.monotonic()
            if left <= 0 or _reaches(tracks, end):
                break
            time.sleep(min(_LOOK_AGAIN_S, left))
    except cloudwatch.CloudWatchError as error:
        note = str(error)
    if not tracks and path.exists():
        return False  # keep what was fetched before
    if not tracks and not note:
        note = "CloudWatch has no figures of these times yet; it is some minutes late (monitors.cloudwatch_wait)"
    with replacing(path) as part, part.open("w", encoding="utf-8") as file:
        writer = SampleWriter(file)
        if note:
            writer.note(time.time(), _CLOUDWATCH, run.redactor(note))
        for track in tracks:
            for point in track.points:
                writer.write(point.time, None, [Reading(track.series, point.value)])
    return bool(tracks)


def _reaches(tracks: Sequence[Track], end: float) -> bool:
    """Whether the points reach the last whole minute of the levels."""
    newest = max((point.time for track in tracks for point in track.points), default=0.0)
    return newest >= end - cloudwatch.PERIOD_S
