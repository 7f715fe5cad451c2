"""Computes the published tables of runs again, from their Parquet files alone, and compares every figure.

    python benchmarks/recompute.py RUN_DIR... [--config FILE]

What a run publishes in `metrics/*.csv` is computed here a second time, with numpy and scipy, from `requests/*.parquet`
(pyarrow reads them), from the samples of the machine in `endpoint_metrics/`, and from what the run's other files say of
prices and budgets. fmbench is not imported: the functions are written from docs/metrics.md.

`--config` names the file to read instead of the run's config.yml.

Prints how many columns and figures were compared, the largest relative deviation, what deviates and what is not
recomputed; writes `benchmarks/results/recompute.json`. Exits with 1 if a figure deviates by more than 1e-9, or a text,
an empty cell or a row is different.

A new column needs a line in `COLUMNS` of recompute_levels.py, or in `PRICES`, `VERDICTS` or `REQUESTS`; until then it
is listed as not recomputed. How it is taken over the repeats of a level is said in recompute_repeats.py.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recompute_choice import (
    REQUESTS,
    budgets_of,
    each_instance_type,
    passes,
    payload_file_of,
    winner,
    with_search,
)
from recompute_host import beside_host
from recompute_levels import COLUMNS
from recompute_part import SLICES, Part
from recompute_prices import PRICES, experiment_costs
from recompute_reading import Cell, Key, RunFiles, read_run
from recompute_repeats import MEASURED_ONCE, pooled_row
from recompute_verdict import VERDICTS, judged

Rows = Sequence[Mapping[str, Any]]

TOLERANCE = 1e-9
SHOWN = 40
RESULT = Path(__file__).parent / "results" / "recompute.json"

PROSE = ("verdict_reasons", "verdict_remedy", "price_note", "note", "imported_from")
"""Columns of sentences, which no formula defines; the last says which tool measured a level."""

NOT_FROM_REQUESTS = ("endpoint_metrics.csv", "endpoint_metrics_summarized.csv")
"""Tables of the samples of machines and servers, which are not in the Parquet files."""


@dataclass
class Comparison:
    """What was compared so far."""

    columns: set[tuple[str, str]] = field(default_factory=set)
    skipped: set[str] = field(default_factory=set)
    figures: int = 0
    largest: float = 0.0
    largest_at: str = ""
    deviating: list[str] = field(default_factory=list)

    def table(self, name: str, published: Rows, computed: Rows, by: Sequence[str]) -> None:
        """Compare the rows of one table, matched by the columns `by`."""
        known = {tuple(_text(row.get(column)) for column in by): row for row in computed}
        found = {tuple(str(row[column]) for column in by): row for row in published}
        for key in known.keys() ^ found.keys():
            self.deviating.append(f"{name}: row {' · '.join(key)} is {'missing' if key in known else 'not recomputed'}")
        if len(found) != len(published) or len(known) != len(computed):
            self.deviating.append(f"{name}: {len(published)} rows, {len(computed)} recomputed, not all different")
        for key in known.keys() & found.keys():
            for column, text in found[key].items():
                if column not in known[key]:
                    self.skipped.add(column + (" (prose)" if column in PROSE else ""))
                    continue
                self.columns.add((name, column))
                self.cell(f"{name}: {column} of {' · '.join(key)}", text, known[key][column])

    def cell(self, where: str, published: str, computed: Cell) -> None:
        """Compare one cell: numbers relatively, all else as text."""
        self.figures += 1
        deviation = _deviation(published, computed)
        if deviation > self.largest:
            self.largest, self.largest_at = deviation, where
        if deviation > TOLERANCE:
            self.deviating.append(f"{where}: published {published or 'nothing'}, recomputed {_text(computed)}")


def _text(value: Any) -> str:
    """A value as the CSV files write it, but for the digits of numbers."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _deviation(published: str, computed: Cell) -> float:
    if isinstance(computed, bool | str) or computed is None or math.isnan(computed) or not published:
        return 0.0 if published == _text(computed) else math.inf
    try:
        value = float(published)
    except ValueError:
        return math.inf
    scale = max(abs(value), abs(computed))
    return abs(value - computed) / scale if scale > 0 else 0.0


def counting(run: RunFiles) -> set[Key]:
    """The keys of the last attempts at their levels, which count."""
    last = {key[:-1]: key[-1] for key in sorted(run.levels, key=lambda key: key[-1])}
    return {(*level, attempt) for level, attempt in last.items()}


def level_rows(run: RunFiles) -> list[dict[str, Cell]]:
    """A row for each level, with its prices and its verdict."""
    rows = [_row(Part(level, run.config.get("slo") or {}), run) for level in run.levels.values()]
    return [{**row, **{name: judge(row) for name, judge in VERDICTS.items()}} for row in judged(rows)]


def _row(part: Part, run: RunFiles) -> dict[str, Cell]:
    row = {name: function(part) for name, function in COLUMNS.items()}
    row = {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in row.items()}
    price = run.prices.get(str(row["instance_type"]))
    prices = {name: function(row, price) for name, function in PRICES.items()}
    return row | {
        name: None if isinstance(value, float) and math.isnan(value) else value for name, value in prices.items()
    }


def compare(run: RunFiles, result: Comparison) -> None:
    """Compare every table of one run."""
    counted = (level for key, level in run.levels.items() if key in counting(run))
    beside_host(counted, run.config.get("energy") or {})
    rows, level = level_rows(run), ("experiment_name", "payload_file", "load", "attempt")
    result.table("all_metrics_summary.csv", run.table("all_metrics_summary.csv"), rows, level)
    result.table("all_metrics.csv", run.table("all_metrics.csv"), list(_slice_rows(run)), (*level, "slice"))
    name = "per_inference_request_results.csv"
    result.table(name, run.table(name), list(_request_rows(run)), (*level, "request_id"))
    counts = [{**row, "count": row["requests"]} for row in rows]
    result.table("experiment_counts.csv", run.table("experiment_counts.csv"), counts, level)
    errors = run.table("error_rates.csv")
    result.table("error_rates.csv", errors, [_with_errors(row, errors) for row in rows], level)
    costs = experiment_costs(rows, run.prices, run.endpoints)
    name = "endpoint_per_instance_per_run_costs.csv"
    result.table(name, run.table(name), costs, ("experiment_name",))
    _compare_choice(run, rows, result, level)
    result.skipped.update(f"{name} (not of requests)" for name in NOT_FROM_REQUESTS)


def _slice_rows(run: RunFiles) -> Iterable[Mapping[str, Cell]]:
    for level in run.levels.values():
        parts = [Part(level, run.config.get("slo") or {}, number) for number in range(SLICES)]
        yield from (_row(part, run) for part in parts if part.window)


def _request_rows(run: RunFiles) -> Iterable[Mapping[str, Cell]]:
    for level in run.levels.values():
        columns = {name: function(Part(level, {})) for name, function in REQUESTS.items()}
        yield from (dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True))


def _with_errors(row: Mapping[str, Any], published: Rows) -> Mapping[str, Any]:
    """The row with its failed requests by class, in the classes that the table lists."""
    classes = json.loads(row["errors_by_class"])
    listed = [name for name in (published[0] if published else {}) if name not in row and name != "other"]
    others = sum(count for name, count in classes.items() if name not in listed)
    return {**row, **{name: classes.get(name, 0) for name in listed}, "other": others}


def _compare_choice(run: RunFiles, rows: Rows, result: Comparison, level: Sequence[str]) -> None:
    """Compare the tables of repeats and of the decision. What a search found is taken from summary.json, as its model
    is none of requests alone."""
    keyed = {tuple(_text(row[name]) for name in level): row for row in rows}
    published = [tuple(row[name] for name in level) for row in run.table("all_metrics_summary.csv")]
    last = counting(run)
    counted = [row for key in published if (row := keyed.get(key)) and tuple(row[name] for name in level) in last]
    repeated = repeated_rows(run, counted)
    result.table("repeated_levels.csv", run.table("repeated_levels.csv"), list(repeated.values()), level[:3])
    once = {level_of(row): repeated.get(level_of(row), {**row, **MEASURED_ONCE}) for row in reversed(counted)}
    rows = [with_search(row, run.searches) for row in reversed(list(once.values()))]
    wanted = (run.config.get("metrics") or {}).get("dataset_of_interest")
    budgets = budgets_of(run.config.get("report") or {})
    file = payload_file_of(rows, wanted)
    chosen = [{**row, "within_budgets": passes(row, budgets)} for row in rows if row["payload_file"] == file]
    best = winner([row for row in chosen if row["within_budgets"]])
    tables = {
        "summary_metrics_w_pricing.csv": chosen,
        "summary_metrics_for_dataset_best_option.csv": [best] if best else [],
        "summary_metrics_for_dataset_best_option_each_instance_type.csv": each_instance_type(chosen, budgets),
    }
    for name, computed in tables.items():
        result.table(name, run.table(name), computed, level[:3])


def level_of(row: Mapping[str, Any]) -> tuple[str, ...]:
    """What tells a level from others, whichever of its repeats the row is about."""
    load, mark, number = str(row["load"]).rpartition("-repeat-")
    return str(row["experiment_name"]), str(row["payload_file"]), load if mark and number.isdigit() else row["load"]


def repeated_rows(run: RunFiles, counted: Rows) -> dict[tuple[str, ...], dict[str, Cell]]:
    """The rows of the levels that were measured several times, over all of their repeats."""
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in counted:
        groups.setdefault(level_of(row), []).append(row)
    names, slo = ("experiment_name", "payload_file", "load", "attempt"), run.config.get("slo") or {}
    return {
        key: pooled_row(
            rows,
            [run.levels[tuple(row[name] for name in names)] for row in rows],
            slo,
            run.prices.get(str(rows[0]["instance_type"])),
        )
        for key, rows in groups.items()
        if len(rows) > 1
    }


def main(argv: Sequence[str]) -> int:
    """Compare the runs named on the command line; see the module's docstring."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run_dirs", nargs="+", type=Path, metavar="RUN_DIR")
    parser.add_argument("--config", type=Path, help="read this config instead of the run's config.yml")
    parser.add_argument("--result", type=Path, default=RESULT, help="the JSON file to write")
    options = parser.parse_args(argv)
    total = Comparison()
    for path in options.run_dirs:
        one = Comparison()
        compare(read_run(path, options.config), one)
        _say(str(path), one)
        total.columns |= one.columns
        total.skipped |= one.skipped
        total.figures += one.figures
        total.largest = max(total.largest, one.largest)
        total.deviating += [f"{path}: {line}" for line in one.deviating]
    if len(options.run_dirs) > 1:
        _say("all runs", total)
    options.result.parent.mkdir(exist_ok=True)
    facts = {"runs": len(options.run_dirs), "columns": len(total.columns), "figures": total.figures}
    whole = facts | {"largest_relative_deviation": total.largest, "deviating": total.deviating}
    whole |= {"not_recomputed": sorted(total.skipped)}
    options.result.write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
    return 1 if total.deviating else 0


def _say(what: str, result: Comparison) -> None:
    print(f"{what}: {len(result.columns)} columns, {result.figures:,} figures compared")
    print(f"  largest relative deviation: {result.largest:.2g} {result.largest_at}")
    print(f"  deviating by more than {TOLERANCE:g}: {len(result.deviating)}")
    for line in result.deviating[:SHOWN]:
        print(f"    {line}")
    print("  not recomputed: " + ", ".join(sorted(result.skipped)))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
