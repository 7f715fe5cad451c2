"""The section `monitors`: what it takes, and what it says of what it does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from fmbench_lib.config.schema.monitors_section import MonitorsSection


def test_everything_is_sampled_by_default() -> None:
    monitors = MonitorsSection()
    assert (monitors.enabled, monitors.interval) == (True, 1.0)
    assert {monitors.host, monitors.nvidia, monitors.neuron, monitors.prometheus, monitors.cloudwatch} == {"auto"}


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (False, "no"),
        ("off", "no"),
        ("auto", "auto"),
        (True, "auto"),
        ("http://h:1/metrics", ["http://h:1/metrics"]),
        (["http://h:1/m", "https://h/m"], ["http://h:1/m", "https://h/m"]),
        ({"exp": "http://h:1/m"}, {"exp": ["http://h:1/m"]}),
    ],
)
def test_metrics_pages(given: Any, meant: Any) -> None:
    assert MonitorsSection(prometheus=given).prometheus == meant


def test_a_page_for_an_unknown_experiment(minimal: str, mistakes: Callable[[str], dict[str, str]]) -> None:
    found = mistakes(minimal + "monitors: {prometheus: {nobody: http://h/metrics}}\n")
    assert "is not an experiment" in found["monitors.prometheus.nobody"]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("host", "sometimes", "write auto, yes or no"),
        ("interval", 0, "0.1"),
        ("prometheus", "localhost:8000", "http://127.0.0.1:8000/metrics"),
        ("prometheus", "http://user:word@h/metrics", "leave them out"),
        ("prometheus", 8000, "write auto, yes or no"),
        ("cloudwatch_wait", -1, "0 or more"),
    ],
)
def test_a_mistake_says_what_to_write(key: str, value: Any, said: str) -> None:
    with pytest.raises(ValidationError, match=r".") as raised:
        MonitorsSection(**{key: value})
    assert said in str(raised.value)
