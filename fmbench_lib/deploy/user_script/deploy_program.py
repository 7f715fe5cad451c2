"""The process that runs a user's deployment script.

Started as `python -m fmbench_lib.deploy.user_script.deploy_program RESULT`. It waits for a line on standard input, so
that it does nothing before it has been recorded, and writes the outcome to the file RESULT, where its parent or a later
cleanup reads it.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any, Literal, TypedDict

from fmbench_lib.host.atomic_files import write_json
from fmbench_lib.user_scripts.importing import ExperimentKeys, called, load_script

CALL_VARIABLE = "FMBENCH_SCRIPT_CALL"
"""Holds the call as JSON: not in a file or an argument, since it may contain secret keys."""


_LONGEST_NAME = 4096


class ScriptCall(TypedDict, total=False):
    """A call of the script: `deploy` for an experiment, or `delete` of an endpoint."""

    script: str
    function: Literal["deploy", "delete"]
    experiment: dict[str, Any]
    known: list[str]
    role_arn: str | None
    endpoint_name: str


class Outcome(TypedDict, total=False):
    """What is written to the result file: a deployed endpoint's name, or the error; empty after `delete`."""

    endpoint_name: str
    error: str


def main(result: Path) -> None:
    """Run the call in `CALL_VARIABLE` once a line arrives on standard input, and write its outcome to `result`."""
    if not sys.stdin.readline():
        return  # the parent died before it recorded this process
    try:
        write_json(result, outcome(json.loads(os.environ.pop(CALL_VARIABLE))))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - any exception of the script is its outcome
        traceback.print_exc()
        write_json(result, {"error": f"{type(error).__name__}: {error}"[:20_000]})


def outcome(call: ScriptCall) -> Outcome:
    """Call the script's function and return its result; for `deploy` the endpoint's name. Raises whatever the script
    raises."""
    module = load_script(call["script"])
    if call["function"] == "delete":
        called(module.delete, call["endpoint_name"])
        return {}
    returned = called(module.deploy, ExperimentKeys(call["experiment"], call["known"]), call["role_arn"])
    name = returned.get("endpoint_name") if isinstance(returned, dict) else returned
    if not isinstance(name, str) or not name:
        raise ValueError("deploy() returned no endpoint_name")
    if len(name) > _LONGEST_NAME:
        raise ValueError(f"deploy() returned an endpoint_name of {len(name):,} characters")
    return {"endpoint_name": name}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
