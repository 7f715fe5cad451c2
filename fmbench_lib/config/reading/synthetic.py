"""What `datasets.synthetic` means for the rest of a config: its sources, its payload files, and what it excludes."""

from __future__ import annotations

from typing import Any

from fmbench_lib.config.reading.keys import Findings, Raw
from fmbench_lib.config.token_lengths import MOST_TOKENS, TRACE, parse_lengths

_SECTION = "datasets.synthetic"
_NOT_BESIDE = {
    "sources": "leave one of them out",
    "filters": "each of its entries makes a payload file, named by its payload_file",
    "prompt_template": "a template would change their length",
    "prompt_template_keys": "they have no template",
    "image_col": "they have no images",
}
"""Keys of `datasets` that cannot stand beside it, and why."""


def resolve_synthetic(resolved: Raw, findings: Findings) -> None:
    """Fill in the sources and the filters of synthetic prompts: one payload file for each entry."""
    datasets = resolved.get("datasets")
    if not isinstance(datasets, dict) or not datasets.get("synthetic"):
        return
    given = datasets["synthetic"]
    entries = [given] if isinstance(given, dict) else given
    if not isinstance(entries, list):
        return  # the check of values reports it
    for key, why in _NOT_BESIDE.items():
        if datasets.get(key):
            findings.problem(f"datasets.{key}", f"is given beside datasets.synthetic; {why}")
    reading = resolved.get("s3_read_data")
    if isinstance(reading, dict) and reading.get("source_data_files"):
        findings.problem(_SECTION, "s3_read_data.source_data_files is given too; leave one of them out")
    if TRACE in [entry.get("input_tokens") for entry in entries if isinstance(entry, dict)]:
        _check_trace(resolved, findings)
    files = [_with_file(entry) if isinstance(entry, dict) else entry for entry in entries]
    _check_names(files, findings)
    resolved["datasets"] = {**datasets, "synthetic": files, "filters": _filters(files)}
    if reading is None or isinstance(reading, dict):
        sources = [f"synthetic:{index}" for index in range(len(entries))]
        resolved["s3_read_data"] = {**(reading or {}), "source_data_files": sources}


def _check_names(entries: list[Any], findings: Findings) -> None:
    """Report a payload file that two entries make."""
    seen: dict[str, int] = {}
    for index, entry in enumerate(entries):
        name = entry.get("payload_file") if isinstance(entry, dict) else None
        if isinstance(name, str) and (earlier := seen.setdefault(name, index)) != index:
            message = f"{name} is made by synthetic[{earlier}] too; name another one"
            findings.problem(f"{_SECTION}[{index}].payload_file", message)


def _check_trace(resolved: Raw, findings: Findings) -> None:
    load = resolved.get("load")
    if not isinstance(load, dict) or not load.get("trace"):
        findings.problem(f"{_SECTION}.input_tokens", "is trace; write load.trace, the file that has the lengths")


def _with_file(entry: Raw) -> Raw:
    """An entry with the name of its payload file: its lengths as usual, the longest one excluded."""
    if entry.get("input_tokens") == TRACE:
        return {"payload_file": "payload_en_trace.jsonl", **entry}
    try:
        lengths = parse_lengths(entry.get("input_tokens"))
    except ValueError:
        return entry  # the check of values reports it
    return {"payload_file": f"payload_en_{lengths.low}-{lengths.high + 1}.jsonl", **entry}


def _filters(entries: list[Any]) -> list[Raw]:
    """A filter for each payload file; which prompts are in it, the entry alone decides."""
    names = dict.fromkeys(str(entry.get("payload_file", "")) for entry in entries if isinstance(entry, dict))
    everything = {"min_length_in_tokens": 1, "max_length_in_tokens": MOST_TOKENS + 1}
    return [{"payload_file": name, **everything} for name in names if name] or [everything]
