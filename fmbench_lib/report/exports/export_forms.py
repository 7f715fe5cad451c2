"""The forms that `fmbench export` knows, one row each."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from fmbench_lib.report.exports.llmd_document import llmd_documents
from fmbench_lib.report.exports.prometheus_text import prometheus_text
from fmbench_lib.report.exports.summary_schema import schema_text
from fmbench_lib.report.exports.vllm_fields import vllm_lines


def _summary(summary: Mapping[str, Any]) -> str:
    return json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


FORMS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "summary": _summary,
    "schema": lambda _summary: schema_text(),
    "vllm": vllm_lines,
    "llm-d": llmd_documents,
    "prometheus": prometheus_text,
}
"""The text of a run's `summary.json` in each form, by the name of the form."""
