"""`vllm bench serve --save-result`, of 2024 (`benchmark_serving.py`) and since: a JSON object, or lines of them."""

from __future__ import annotations

from fmbench_lib.imports.found_level import FoundLevel, text_in
from fmbench_lib.imports.serving_bench import count_figures, evidence_in, load_of, requests_of, time_figures
from fmbench_lib.imports.sglang_bench import of_sglang
from fmbench_lib.imports.tool import Tool
from fmbench_lib.imports.tool_file import Document, ResultFile

_NAME = "vllm bench serve"
_FAMILIES = {"latency": "e2el", "TTFT": "ttft", "TPOT": "tpot", "ITL": "itl"}


def _recognises(file: ResultFile) -> bool:
    known = file.has("duration", "completed", "request_throughput", "total_input_tokens")
    return known and not of_sglang(file.document)


def _read(file: ResultFile) -> list[FoundLevel]:
    return [_level(document, place) for place, document in enumerate(file.documents, start=1)]


def _level(document: Document, place: int) -> FoundLevel:
    return FoundLevel(
        form="summary",
        tool=_NAME,
        place=f"object {place}",
        version=text_in(document, "vllm_version", "version"),
        experiment=text_in(document, "label"),
        model=text_in(document, "model_id", "model"),
        dataset=text_in(document, "dataset_name"),
        **load_of(document),
        figures=(*count_figures(document), *time_figures(document, _FAMILIES)),
        requests=requests_of(document),
        evidence=evidence_in(document),
    )


TOOL = Tool(_NAME, "the JSON of --save-result, with or without --save-detailed", _recognises, _read)
