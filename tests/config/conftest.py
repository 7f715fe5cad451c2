from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fmbench_lib.config import ConfigError, LoadedConfig, parse_config

DATA = Path(__file__).parent / "data"

MINIMAL = """\
general:
  name: mini
datasets:
  filters:
  - {language: en, min_length_in_tokens: 1, max_length_in_tokens: 500, payload_file: payload_en_1-500.jsonl}
experiments:
- name: mine
  platform: endpoint
  ep_name: http://127.0.0.1:8000/v1/chat/completions
  payload_files: [payload_en_1-500.jsonl]
  concurrency_levels: [1, 4]
"""

Load = Callable[..., LoadedConfig]
Mistakes = Callable[..., dict[str, str]]


@pytest.fixture
def data() -> Path:
    """The folder of the example configs."""
    return DATA


@pytest.fixture
def minimal() -> str:
    """The text of a config that has nothing but what it must have."""
    return MINIMAL


@pytest.fixture
def load() -> Load:
    """Load a config from its text."""

    def loaded(text: str, **values: dict[str, str]) -> LoadedConfig:
        return parse_config(text, path=Path("folder/config.yml"), **values)

    return loaded


@pytest.fixture
def mistakes(load: Load) -> Mistakes:
    """The problems of a config that cannot be used, message by key."""

    def found(text: str, **values: dict[str, str]) -> dict[str, str]:
        with pytest.raises(ConfigError) as raised:
            load(text, **values)
        lines = str(raised.value).splitlines()
        assert len(lines) == len(raised.value.problems), "a problem is not on one line"
        return {problem.key: problem.message for problem in raised.value.problems}

    return found
