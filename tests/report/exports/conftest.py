from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.steps.importing_results import ImportRequest, import_results
from tests.imports import samples
from tests.imports.samples import file_of


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An analysed run of two levels: one has all times, the other no latency p95 and no price."""
    folder = tmp_path_factory.mktemp("exported")
    paths = [file_of(folder, samples.stage(), "stage/0.json"), file_of(folder, samples.VLLM, "vllm/0.json")]
    return import_results(ImportRequest(paths=paths), folder / "runs").run.workspace.path


@pytest.fixture(scope="module")
def summary(run_dir: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run_dir / "summary.json").read_text())
    return content
