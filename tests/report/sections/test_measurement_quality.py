"""What the report says of how far its numbers can be trusted."""

from __future__ import annotations

from dataclasses import replace

from fmbench_lib.report.sections.measurement_quality import quality_table, section


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
    assert late.count("(degraded)") == levels - 1


def test_a_reason_that_all_levels_have_names_none_of_them(quickstart):
    told = [f"{10 + n} successes are too few: measure longer" for n in range(len(quickstart.summary))]
    summary = quickstart.summary.assign(verdict="degraded", verdict_reasons=told)
    (line,) = reasons_in("\n".join(section(replace(quickstart, summary=summary))))
    assert line.endswith(f"— all {len(told)} levels")


def test_the_cores_that_others_used_stand_beside_those_of_the_machine(quickstart):
    known = quickstart.summary.assign(host_cores_others=1.46, host_cores=2)
    assert set(quality_table(known)["used by others"]) == {"1.5 of 2 cores"}
    assert set(quality_table(quickstart.summary)["used by others"]) == {"–"}
