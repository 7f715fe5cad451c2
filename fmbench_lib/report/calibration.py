"""What a report may say of the client's calibration."""

from __future__ import annotations

from collections.abc import Mapping

from fmbench_lib.metrics.decision.wording import load_label, reach_sentence
from fmbench_lib.metrics.missing import Row, number, rows_of, text
from fmbench_lib.report.level_order import dataset_name, in_order
from fmbench_lib.report.markdown import code, escape
from fmbench_lib.report.report_data import ReportInputs

_NONE_FOUND = (
    "No calibration of this client was found: `fmbench calibrate` measures how exactly a machine measures, and up to "
    "which load."
)
_MOST_NAMED = 5


def calibration_lines(inputs: ReportInputs) -> list[str]:
    """What the run's calibration implies for this run, or why it implies nothing."""
    calibration = inputs.run.calibration
    if not calibration:
        return [_NONE_FOUND]
    where = code(str(calibration["file"]))
    if calibration["error"] is not None:
        return [f"The client's calibration in {where} could not be read: {escape(str(calibration['error']))}."]
    made = f"on {escape(str(calibration['date'])[:10])}, FMBench {escape(str(calibration['fmbench']))}"
    if not calibration["same_machine"]:
        return [
            f"The client's calibration in {where} ({made}) was made on another machine: it says nothing about this run."
        ]
    sentence = f"{reach_sentence(calibration['within'])} It was calibrated {made}, against an endpoint of known times."
    if not calibration["same_version"]:
        sentence += " This run used another version of FMBench, which may measure differently: run `fmbench calibrate`."
    return [sentence, *_beyond(inputs, calibration["within"])]


def _beyond(inputs: ReportInputs, within: Mapping[str, Mapping[str, float | None]]) -> list[str]:
    """The levels beyond the load up to which the first limit holds."""
    limit, reach = next(iter(within.items()))
    streams, rate = number(reach, "streams"), number(reach, "events_per_second")
    beyond = [
        f"{escape(str(row['experiment_name']))}, {dataset_name(text(row, 'payload_file'))}, {load_label(row)}"
        for row in in_order(rows_of(inputs.summary))
        if _exceeds(number(row, "mean_in_flight"), streams) or _exceeds(event_rate(row), rate)
    ]
    if not beyond:
        return []
    named = "; ".join(beyond[:_MOST_NAMED])
    more = f"; and {len(beyond) - _MOST_NAMED} more" if len(beyond) > _MOST_NAMED else ""
    return [f"Beyond the load that it measures within {limit.replace('_', ' ')}: {named}{more}."]


def _exceeds(value: float | None, most: float | None) -> bool:
    return value is not None and most is not None and round(value) > most


def event_rate(row: Row) -> float | None:
    """Content events per second of a level's successes: first tokens and gaps, over the window."""
    events = [number(row, name) for name in ("TTFT_n", "ITL_n")]
    window = number(row, "window_s")
    return None if not window or None in events else sum(count for count in events if count is not None) / window
