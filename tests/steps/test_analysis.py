"""What a run says at its end of levels that do not describe their endpoint."""

from __future__ import annotations

import pandas as pd

from fmbench_lib.steps.analysis import invalid_lines


def test_levels_invalid_for_the_same_reasons_share_a_line() -> None:
    late = "requests were {} ms late: look at it; an error rate of {}%: see the errors"
    rows = [
        ("one", "invalid", late.format(60, 5)),
        ("two", "degraded", late.format(1, 5)),
        ("three", "invalid", late.format(90, 5)),
        ("four", "invalid", "nothing was measured: look at the log"),
    ]
    summary = pd.DataFrame(rows, columns=["experiment_name", "verdict", "verdict_reasons"])
    assert invalid_lines(summary.assign(payload_file="p", load="rate-1"), "/runs/a b") == [
        "one · p · rate-1, three · p · rate-1 are invalid: "
        "requests were 60 to 90 ms late: look at it; an error rate of 5%: see the errors; "
        "measure it again: fmbench --resume '/runs/a b' --remeasure invalid",
        "four · p · rate-1 is invalid: nothing was measured: look at the log; "
        "measure it again: fmbench --resume '/runs/a b' --remeasure four/p/rate-1",
    ]
