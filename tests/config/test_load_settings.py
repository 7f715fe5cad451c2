"""The settings of load: their defaults are those of a config, and each loop gets its own keys."""

from __future__ import annotations

from fmbench_lib.config.load_settings import LoadSettings
from fmbench_lib.config.schema.load_section import LoadSection, load_settings


def test_the_defaults_are_those_of_the_section() -> None:
    assert load_settings(LoadSection()) == LoadSettings()


def test_a_loop_gets_no_key_of_the_other_one() -> None:
    everything = LoadSettings(think_time=2.0, ramp=3.0, max_concurrency=4, stop_on_saturation=True, burstiness=0.5)
    assert everything.in_loop(closed=True) == LoadSettings(think_time=2.0, ramp=3.0, burstiness=0.5)
    assert everything.in_loop(closed=False) == LoadSettings(max_concurrency=4, stop_on_saturation=True, burstiness=0.5)
