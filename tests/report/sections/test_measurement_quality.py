"""What the report says of how far its numbers can be trusted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fmbench_lib.metrics.missing import rows_of
from fmbench_lib.metrics.verdict import verdict
from fmbench_lib.report.sections.measurement_quality import appendix, quality_table, section
from fmbench_lib.report.sections.remedies import remedy_of


def reasons_in(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("- ") and " — " in line]


def test_a_reason_is_told_once_with_the_range_of_its_numbers(quickstart):
    levels = len(quickstart.summary)
    assert levels >= 3
    told = [f"read {3 + n} ms late: do this" for n in range(levels - 1)] + ["another thing: do that"]
    summary = quickstart.summary.assign(verdict="degraded", verdict_reasons=told)
    lines = reasons_in("\n".join(section(replace(quickstart, summary=summary))))
    assert len(lines) == 2
    (late,) = [line for line in lines if "late" in line]
    assert late.startswith(f"- read 3 to {levels + 1} ms late: do this — ")
    assert late.endswith(f"— {levels - 1} of {levels} levels")
    named = reasons_in("\n".join(appendix(replace(quickstart, summary=summary))))
    assert named[0].count("(degraded)") == levels - 1


def test_a_reason_is_told_with_the_setting_that_mends_it(quickstart):
    told = ["80 successes are too few: measure at least 322", "10 successes are too few: measure at least 90"]
    told += ["p95 has no interval: measure 2.5 times as long", "the prompts ran out: add some or allow their reuse"]
    told += ["4 requests cannot keep 12 in flight: ask for several times as many, or for a lower concurrency"]
    told += ["something new: look there"]
    summary = quickstart.summary.assign(verdict="degraded", verdict_reasons=told)
    lines = reasons_in("\n".join(section(replace(quickstart, summary=summary))))
    assert lines[0].startswith("- 10 to 80 successes are too few: `load.requests: 322` — ")
    assert lines[1].startswith("- p95 has no interval: `load.requests: 200` — "), "of 80"
    assert lines[2].startswith("- the prompts ran out: `load.prompt_reuse: across_levels`, or more prompts — ")
    assert lines[3].startswith("- 4 requests cannot keep 12 in flight: `load.requests: 40` — "), "10 for each of 4"
    assert lines[4].startswith("- something new: look there — ")


def test_a_reason_that_all_levels_have_names_none_of_them(quickstart):
    told = [f"{10 + n} successes are too few: measure longer" for n in range(len(quickstart.summary))]
    summary = quickstart.summary.assign(verdict="degraded", verdict_reasons=told)
    (line,) = reasons_in("\n".join(section(replace(quickstart, summary=summary))))
    assert line.endswith(f"— all {len(told)} levels")


def test_the_cores_that_others_used_stand_beside_those_of_the_machine(quickstart):
    known = quickstart.summary.assign(host_cores_others=1.46, host_cores=2)
    assert set(quality_table(known)["used by others"]) == {"1.5 of 2 cores"}
    assert set(quality_table(quickstart.summary)["used by others"]) == {"–"}


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        ({"client_cpu_max": 0.97}, "more `load.workers`"),
        ({"error_rate": 0.02}, "see [failed experiments](#failed-experiments)"),
        ({"stop_reason": "prompts"}, "`load.prompt_reuse: across_levels`, or more prompts"),
        ({"requested": 4}, "`load.requests: 120`"),
        ({"window_s": 2.0}, "`load.duration: 10`"),
    ],
)
def test_what_a_check_advises_is_told_as_a_setting(quickstart, change: dict[str, object], remedy: str) -> None:
    row = rows_of(quickstart.summary)[-1] | change
    before = set(verdict(rows_of(quickstart.summary)[-1]).reasons)
    (reason,) = [reason for reason in verdict(row).reasons if reason not in before]
    assert remedy_of([(reason, row)], "in other words") == remedy
