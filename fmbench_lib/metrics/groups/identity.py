"""Which level a row is about."""

from __future__ import annotations

from fmbench_lib.metrics.columns import Cells, Column
from fmbench_lib.metrics.level_sample import LevelSample
from fmbench_lib.metrics.missing import number, or_nan, text

IDENTITY = (
    Column("experiment_name", "", "text", "the experiment"),
    Column("payload_file", "", "text", "the payload file: prompts of one range of lengths"),
    Column("instance_type", "", "text", "what the endpoint ran on; the key into the price list"),
    Column("instance_count", "", "whole number", "how many instances; empty means 1"),
    Column("concurrency", "requests", "whole number", "closed loop: requests kept in flight"),
    Column("request_rate", "requests/s", "number", "open loop: requests offered per second"),
)
LOAD = Column("load", "", "text", "the load by name: `concurrency-4`, `rate-0.5`; a repeat: `rate-0.5-repeat-2`")
IMPORTED_FROM = Column(
    "imported_from", "", "text", "the tool and the files that the figures come from; empty where fmbench measured them"
)
SLICE = (
    LOAD,
    Column("slice", "", "whole number", "the slice of the level's window, 0 to 9"),
    Column("slice_start_s", "s", "number", "start of the slice, from the start of the level's window"),
)


def identity(sample: LevelSample) -> Cells:
    """The columns `IDENTITY` and `SLICE`; of a whole level the latter are empty but for the load."""
    facts = sample.facts
    texts = {key: text(facts, key) for key in ("experiment_name", "payload_file", "instance_type", "load")}
    numbers = {key: or_nan(number(facts, key)) for key in ("instance_count", "concurrency", "request_rate")}
    return {**texts, **numbers, "slice": sample.slice, "slice_start_s": or_nan(sample.slice_start_s)}
