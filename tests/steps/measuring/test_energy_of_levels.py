"""The energy of the levels of a whole run, from what the monitor recorded to the report, the budget and the export."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fmbench_lib.config.schema.energy_section import EnergySection
from fmbench_lib.metrics.decision.budgets import Budgets, judge
from fmbench_lib.report.sections.energy_use import energy_table, section
from fmbench_lib.runs.opening import open_for_reading
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.reporting.report_inputs import Analysis, analysis_of, report_inputs

RECORDED = Path(__file__).parents[2] / "report" / "data" / "recorded_run"
WATTS = {"package-0": 40.0, "package-1": 8.5, "dram": 1.5}
"""50 W in all."""


def metered(folder: Path, machine: str) -> Run:
    """The recorded run, beside whose first experiment counters of energy were read a hundred times a second."""
    run = folder / "run"
    shutil.copytree(RECORDED, run)
    [samples] = (run / "endpoint_metrics" / "one").glob("*.jsonl")
    times = [json.loads(line) for line in samples.read_text().splitlines() if "values" in line]
    first, last = times[0], times[-1]
    lines = [
        {
            "series": {
                "id": place, "source": "rapl", "metric": "energy", "kind": "counter", "unit": "J",
                "labels": {"machine": machine, "server": "here", "domain": domain, "zone": f"zone {place}"},
            }
        }
        for place, domain in enumerate(WATTS)
    ]  # fmt: skip
    for step in range(int(100 * (last["monotonic"] - first["monotonic"] + 2))):
        seconds = step / 100 - 1.0
        values = {str(place): watts * (seconds + 1.0) for place, watts in enumerate(WATTS.values())}
        at = {name: first[name] + seconds for name in ("time", "monotonic")}
        lines.append({**at, "values": values})
    (samples.parent / "metered.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return open_for_reading(run)


Analysed = Callable[[str, EnergySection], tuple[Run, Analysis]]


@pytest.fixture
def analysed(tmp_path: Path) -> Analysed:
    def of(machine: str, energy: EnergySection) -> tuple[Run, Analysis]:
        run = metered(tmp_path, machine)
        config = run.config.model_copy(update={"energy": energy})
        run = dataclasses.replace(run, loaded=dataclasses.replace(run.loaded, config=config))
        return run, analysis_of(run)

    return of


def test_joules_dollars_and_grams_of_levels(analysed: Analysed) -> None:
    """50 W for so many seconds, over all successes; 0.36 USD and 720 g a kWh are 1e-7 USD and 2e-4 g a joule."""
    run, analysis = analysed("endpoint", EnergySection(usd_per_kwh=0.36, grams_co2_per_kwh=720.0))
    summary = analysis.summary
    ours = summary[summary["experiment_name"] == "one"]
    assert len(ours) == 4
    for row in ours.to_dict("records"):
        assert row["energy_joules"] == pytest.approx(50 * row["energy_s"])
        assert row["energy_s"] == pytest.approx(row["level_s"], abs=0.1)
        done = row["energy_transactions"]
        assert done >= row["successes"]
        assert row["joules_per_txn"] == pytest.approx(row["energy_joules"] / done)
        assert row["joules_per_output_token"] == pytest.approx(row["energy_joules"] / row["billed_completion_tokens"])
        assert row["energy_usd_per_txn"] == pytest.approx(1e-7 * row["joules_per_txn"])
        assert row["grams_co2_per_txn"] == pytest.approx(2e-4 * row["joules_per_txn"])
        assert row["energy_source"] == "RAPL: package-0, package-1, dram"
    others = summary[summary["experiment_name"] != "one"]
    assert others["energy_joules"].isna().all()
    row = ours.iloc[0].to_dict()
    limits = {"joules_per_txn": row["joules_per_txn"] * 0.9, "grams_co2_per_txn": row["grams_co2_per_txn"] * 1.1}
    assert [outcome.met for outcome in judge(row, Budgets(budgets=limits)).outcomes] == [False, True]
    assert len(energy_table(summary)) == 4
    shown = "\n".join(section(report_inputs(run, analysis)))
    assert "RAPL: package-0, package-1, dram" in shown


def test_idle_power_is_taken_off(analysed: Analysed) -> None:
    _, analysis = analysed("endpoint", EnergySection(idle_watts=30.0))
    ours = analysis.summary[analysis.summary["experiment_name"] == "one"].to_dict("records")
    assert [row["energy_joules"] for row in ours] == pytest.approx([20 * row["energy_s"] for row in ours])


def test_the_energy_of_the_clients_machine_is_none_of_the_endpoints(analysed: Analysed) -> None:
    run, analysis = analysed("client", EnergySection(usd_per_kwh=0.36))
    assert analysis.summary["energy_joules"].isna().all()
    assert analysis.summary["energy_usd_per_kwh"].isna().all()
    assert section(report_inputs(run, analysis)) == []
