"""Levels and load settings of tests: whatever a test does not say is as plain as it can be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from fmbench_lib.config.load_settings import LoadSettings, TraceEntry
from fmbench_lib.config.schema.load_section import LoadSection, load_settings
from fmbench_lib.config.schema.stop_rule import StopRule
from fmbench_lib.load.sending.level import Level

PLAIN = replace(load_settings(LoadSection(arrival="constant")), stop_on_error_rate=None)
"""No end but the level's own, equal gaps, no limits but the total timeout."""

_LOAD_KEYS = {field.name for field in fields(LoadSettings)}
_STOP_KEYS = {field.name for field in fields(StopRule)}


def load(**settings: Any) -> LoadSettings:
    """Plain settings with these changes; a trace may be given by its times alone."""
    if settings.get("trace") is not None:
        entries = (entry if isinstance(entry, TraceEntry) else TraceEntry(entry) for entry in settings["trace"])
        settings["trace"] = tuple(entries)
    return replace(PLAIN, **settings)


def make_level(
    urls: Sequence[str], warmup: Sequence[int], measured: Sequence[int], seed: str = "1", **settings: Any
) -> Level:
    """A level; `settings` are those of its load, its end, or its own."""
    own = {key: value for key, value in settings.items() if key not in _LOAD_KEYS | _STOP_KEYS}
    stop = StopRule(**{key: value for key, value in settings.items() if key in _STOP_KEYS})
    sent = load(**{key: value for key, value in settings.items() if key in _LOAD_KEYS})
    return Level(tuple(urls), tuple(warmup), tuple(measured), seed, sent, stop, **own)
