"""The tools whose results can be imported, one row each. Packages add theirs as `fmbench.result_files`.

An entry point of that group leads to a `Tool`. Those that ship are asked first.
"""

from __future__ import annotations

from importlib import import_module

from fmbench_lib.config.installed import installed_names, load_installed
from fmbench_lib.errors import InputError
from fmbench_lib.imports.found_level import FoundLevel
from fmbench_lib.imports.tool import Tool
from fmbench_lib.imports.tool_file import ResultFile

GROUP = "fmbench.result_files"

_SHIPPED = (
    "vllm_bench",
    "sglang_bench",
    "guidellm_report",
    "aiperf_export",
    "aiperf_requests",
    "genai_perf_table",
    "perf_analyzer_profile",
    "inference_perf_stages",
    "inference_perf_requests",
    "llmperf_results",
    "llmd_report",
    "fmbench2_tables",
)
"""Each tool's module in this folder, in the order in which they are asked."""


def known_tools() -> list[Tool]:
    """All tools: those that ship, then installed ones. Raises InputError for an installed one that is no `Tool`."""
    shipped = [import_module(f"fmbench_lib.imports.{name}").TOOL for name in _SHIPPED]
    return [*shipped, *(_installed(name) for name in installed_names(GROUP))]


def tool_of(file: ResultFile) -> Tool:
    """The tool that wrote a file, by its content. Raises InputError, listing what is known, where none did."""
    tools = known_tools()
    found = next((tool for tool in tools if tool.recognises(file)), None)
    if found is None and (damage := file.damage):
        raise InputError(f"{file.path}: {damage}: import a whole copy of it")
    if found is None:
        known = ", ".join(f"{tool.name} ({tool.files})" for tool in tools)
        raise InputError(f"{file.path}: not a result file that can be imported; known are {known}")
    return found


def levels_in(file: ResultFile) -> list[FoundLevel]:
    """The levels of a file. Raises InputError where no tool is known that wrote it, or it is damaged or empty."""
    tool = tool_of(file)
    try:
        levels = tool.read(file)
    except InputError as error:
        raise InputError(f"{file.path}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        detail = f"{type(error).__name__}: {error}"
        raise InputError(f"{file.path}: looks like a file of {tool.name}, but cannot be read: {detail}") from error
    if not levels:
        raise InputError(f"{file.path}: a file of {tool.name} without results")
    return levels


def _installed(name: str) -> Tool:
    found = load_installed(GROUP, name, "reader of result files")
    if not isinstance(found, Tool):
        raise InputError(f"reader of result files {name}: a {type(found).__name__}; make it a fmbench_lib Tool")
    return found
