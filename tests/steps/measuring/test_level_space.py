"""The room that a level needs, against sums done by hand."""

from __future__ import annotations

from typing import Any

import pytest

from fmbench_lib.config import Experiment
from fmbench_lib.config.schema.stop_rule import StopRule
from fmbench_lib.load.levels.specs import LevelSpec
from fmbench_lib.steps.measuring.level_space import bytes_of_level

PAYLOAD = [{"prompt": "x" * 100}, {"prompt": "é" * 150}]  # 200 bytes on average


def level(stop: StopRule, **parameters: Any) -> LevelSpec:
    experiment = Experiment.model_validate(
        {"name": "x", "platform": "endpoint", "protocol": "openai", "payload_files": ["all.jsonl"], "deploy": False}
    )
    experiment.inference_spec.parameters.update(parameters)
    return LevelSpec(experiment, "all.jsonl", 1, None, stop, warmup=2)


@pytest.mark.parametrize(
    ("stop", "parameters", "expected"),
    [
        # 200 of the prompt, 10 × 320 of the answer, 1,200 of headers and 700 of the record: 5,300 a request
        (StopRule(8, None), {"max_tokens": 10}, 10 * 5300),
        (StopRule(None, 60.0), {"max_tokens": 10}, 40 * 5300),
        (StopRule(1000, None), {"max_new_tokens": 10}, 40 * 5300),  # it has prompts for 40
        (StopRule(8, None), {}, 10 * (2100 + 256 * 320)),
        (StopRule(8, None), {"max_tokens": "many"}, 10 * (2100 + 256 * 320)),
    ],
)
def test_the_room_for_a_level(stop: StopRule, parameters: dict[str, Any], expected: int) -> None:
    assert bytes_of_level(level(stop, **parameters), PAYLOAD, prompts=40) == expected
