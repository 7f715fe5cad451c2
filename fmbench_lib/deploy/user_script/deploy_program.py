"""The process in which a deployment script of the user's own runs.

Started as `python -m fmbench_lib.deploy.user_script.deploy_program RESULT`. It waits for a line on its standard input,
so that it does nothing before it has been recorded, and leaves the outcome in the file RESULT, where whoever started
it, or a later cleanup, finds it.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from fmbench_lib.atomic_files import write_json
from fmbench_lib.user_scripts.importing import ExperimentKeys, called, load_script

CALL_VARIABLE = "FMBENCH_SCRIPT_CALL"  # what is to be called: it may hold keys, which no file and no argument should


def main(result: Path) -> None:
    if not sys.stdin.readline():
        return  # who started us died before it took note of us
    try:
        write_json(result, outcome(json.loads(os.environ.pop(CALL_VARIABLE))))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a script raises is its outcome
        traceback.print_exc()
        write_json(result, {"error": f"{type(error).__name__}: {error}"[:500]})


def outcome(call: dict[str, Any]) -> dict[str, Any]:
    """Call the script's function; of `deploy` the endpoint's name. Raises whatever the script raises."""
    module = load_script(call["script"])
    if call["function"] == "delete":
        called(module.delete, call["endpoint_name"])
        return {}
    returned = called(module.deploy, ExperimentKeys(call["experiment"], call["known"]), call["role_arn"])
    name = returned.get("endpoint_name") if isinstance(returned, dict) else returned
    if not isinstance(name, str) or not name:
        raise ValueError("deploy() returned no endpoint_name")
    return {"endpoint_name": name}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
