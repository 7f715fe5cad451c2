"""`python -m sglang.bench_serving --output-file`: JSON lines, one object a load."""

from __future__ import annotations

from fmbench_lib.imports.found_level import FoundLevel, figure, number_in, text_in, whole
from fmbench_lib.imports.serving_bench import count_figures, evidence_in, load_of, requests_of, time_figures
from fmbench_lib.imports.tool import Tool
from fmbench_lib.imports.tool_file import Document, ResultFile

_NAME = "SGLang bench_serving"
_FAMILIES = {"latency": "e2e_latency", "TTFT": "ttft", "TPOT": "tpot", "ITL": "itl"}
_OWN_KEYS = ("total_output_tokens_retokenized", "mean_e2e_latency_ms", "sharegpt_output_len", "accept_length")


def of_sglang(document: Document) -> bool:
    """Whether an object with the fields of both tools is SGLang's."""
    return any(key in document for key in _OWN_KEYS)


def _recognises(file: ResultFile) -> bool:
    return file.has("duration", "completed", "output_throughput") and of_sglang(file.document)


def _read(file: ResultFile) -> list[FoundLevel]:
    return [_level(document, place) for place, document in enumerate(file.documents, start=1)]


def _level(document: Document, place: int) -> FoundLevel:
    info = document.get("server_info")
    server = info if isinstance(info, dict) else {}
    return FoundLevel(
        form="summary",
        tool=_NAME,
        place=f"line {place}",
        version=text_in(server, "version"),
        experiment=text_in(document, "tag"),
        model=text_in(document, "model_id", "model") or text_in(server, "served_model_name", "model_path"),
        dataset=_dataset(document),
        **load_of(document),
        figures=(
            *count_figures(document),
            *time_figures(document, _FAMILIES),
            *figure("mean_in_flight", "concurrency", number_in(document, "concurrency")),
        ),
        requests=requests_of(document),
        evidence=evidence_in(document),
    )


def _dataset(document: Document) -> str | None:
    """The data set, with the lengths that were asked of random prompts."""
    name = text_in(document, "dataset_name")
    lengths = [whole(number_in(document, f"random_{side}_len")) for side in ("input", "output")]
    if name is None or not name.startswith("random") or None in lengths:
        return name
    return f"{name}_{lengths[0]}_{lengths[1]}"


TOOL = Tool(_NAME, "the JSON lines of --output-file, with or without --output-details", _recognises, _read)
