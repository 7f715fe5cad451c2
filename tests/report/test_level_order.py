from __future__ import annotations

import json

from fmbench_lib.report.level_order import load_order


def test_a_level_of_unknown_load_stands_last_by_a_number_that_json_has() -> None:
    known, rate, unknown = ({"concurrency": 512}, {"request_rate": 1e6}, {"load": "all-at-once"})
    assert sorted([rate, unknown, known], key=load_order) == [known, unknown, rate]
    assert json.loads(json.dumps(load_order(unknown), allow_nan=False))[1] > 1e300
