"""Checks of what becomes a file or folder of a run: names of the run, its experiments and its payload files."""

from __future__ import annotations

from urllib.parse import quote

from fmbench_lib.config.plain_text import MOST_NAME, fault_of_name
from fmbench_lib.config.problems import joined, shown
from fmbench_lib.config.reading.keys import Findings
from fmbench_lib.config.schema.config import Config

ENDING = ".jsonl"
"""Ending of payload files, which the folders of their levels don't have."""


def check_names(config: Config, findings: Findings) -> None:
    """Report names that are too long for files or look like others, and payload files that would share a file."""
    _check_name("general.name", config.general.name, findings)
    for index, experiment in enumerate(config.experiments):
        _check_name(joined(joined("experiments", index), "name"), experiment.name, findings)
    seen: dict[str, str] = {}
    for index, entry in enumerate(config.datasets.filters):
        path, name = f"datasets.filters[{index}].payload_file", entry.payload_file
        _check_name(path, name, findings)
        if not name.removesuffix(ENDING):
            findings.problem(path, f"is {shown(name)}, an ending alone; write a name before it")
        earlier = seen.setdefault(name.removesuffix(ENDING), name)
        if earlier != name:
            findings.problem(path, f"{shown(name)} differs from {shown(earlier)} by its ending only; use another name")


def _check_name(path: str, name: str, findings: Findings) -> None:
    if fault := fault_of_name(name):
        findings.problem(path, f"is {shown(name)}, which {fault}")
    encoded = len(quote(name, safe=" "))
    if encoded > MOST_NAME:
        how = "characters" if encoded == len(name) else "characters once it is encoded for a file's name"
        findings.problem(path, f"is {shown(name)}, {encoded} {how}; write one of at most {MOST_NAME}")
