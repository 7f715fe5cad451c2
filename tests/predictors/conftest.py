"""Recorded responses, and experiments to make codecs for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.config import Experiment
from fmbench_lib.load.recording.parsed_response import parse_response
from fmbench_lib.predictors.base import HttpResponse

DATA = Path(__file__).parent / "data"


@pytest.fixture
def recorded() -> Callable[[str], HttpResponse]:
    """A recorded response by name, with its transfer coding undone."""

    def read(name: str) -> HttpResponse:
        parsed = parse_response((DATA / f"{name}.http").read_bytes(), closed=True)
        return HttpResponse(parsed.status, parsed.headers, parsed.body, parsed.complete)

    return read


@pytest.fixture
def experiment() -> Callable[..., Experiment]:
    """An experiment with the given settings over the fewest that one needs."""

    def make(**settings: Any) -> Experiment:
        least = {"name": "mine", "platform": "endpoint", "protocol": "openai", "deploy": False, "payload_files": ["p"]}
        return Experiment.model_validate({**least, **settings})

    return make


@pytest.fixture
def minimal_config(tmp_path: Path) -> Callable[[str], Path]:
    """A config file with one experiment that speaks the given protocol."""

    def write(protocol: str) -> Path:
        path = tmp_path / "config.yml"
        path.write_text(
            "general: {name: mine}\n"
            "datasets:\n"
            "  filters:\n"
            "  - {language: en, min_length_in_tokens: 1, max_length_in_tokens: 500, payload_file: p.jsonl}\n"
            "experiments:\n"
            f"- {{name: a, platform: endpoint, protocol: {protocol}, ep_name: 'http://h/x', concurrency_levels: [1]}}\n"
        )
        return path

    return write
