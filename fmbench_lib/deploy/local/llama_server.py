"""llama.cpp's own HTTP server in a process of its own.

Started as `python -m fmbench_lib.deploy.local.llama_server --model FILE …`. It waits for a byte on standard input
before it begins (its starter writes that once it has recorded this process) and leaves when there will be none. Then
it serves until it is ended by a signal.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import sys
import threading
from typing import Any


def main(arguments: list[str] | None = None) -> int:
    """Serve until ended; the exit code is 2 for options that cannot be used, 1 where the server does not start."""
    given = _parser().parse_args(arguments)
    if not sys.stdin.buffer.read(1):
        print("llama_server: not started: whoever asked for it is gone")
        return 1
    import xllamacpp

    params = xllamacpp.CommonParams()
    problem = _configure(params, given)
    if problem is not None:
        print(f"llama_server: {problem}")
        return 2
    try:
        server = xllamacpp.Server(params)
    except RuntimeError as error:
        # llama.cpp's log is written by a thread of its own and may lose its last lines, so the file is named here.
        print(f"llama_server: {given.model}: {error}")
        return 1
    print(f"llama_server: process {os.getpid()} serves {given.alias} at {server.listening_address}", flush=True)
    # The server's own threads do the work; this one only has to stay, since the server ends with its object.
    threading.Event().wait()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m fmbench_lib.deploy.local.llama_server", description=__doc__)
    parser.add_argument("--model", required=True, help="the GGUF file")
    parser.add_argument("--alias", required=True, help="the model's name in answers")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--context-tokens", type=int, required=True, help="context of one request")
    parser.add_argument("--parallel", type=int, required=True, help="requests worked on at once")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--cache-prompt", choices=("yes", "no"), required=True)
    parser.add_argument("--options", default="{}", help="further settings of llama.cpp's common parameters, as JSON")
    return parser


def _configure(params: Any, given: argparse.Namespace) -> str | None:
    """Fill llama.cpp's parameters; what is wrong with the options, or None."""
    params.model.path = given.model
    params.model_alias = {given.alias}
    params.hostnames = ["127.0.0.1"]
    params.port = given.port
    params.n_ctx = given.context_tokens * given.parallel  # llama.cpp divides the context among the slots
    params.n_parallel = given.parallel
    params.cpuparams.n_threads = given.threads
    params.cont_batching = True
    params.use_jinja = True
    params.endpoint_metrics = True
    params.endpoint_slots = True
    params.ui = False
    params.offline = True
    if given.cache_prompt == "no":
        params.cache_prompt = False
        params.cache_ram_mib = 0
        params.cache_idle_slots = False
    return _apply(params, json.loads(given.options))


def _apply(params: Any, options: dict[str, Any]) -> str | None:
    names = [name for name in dir(params) if not name.startswith("_")]
    for name, value in options.items():
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            return f"option {name!r} is not one of llama.cpp's" + (f"; did you mean {near[0]!r}?" if near else "")
        try:
            setattr(params, name, value)
        except (TypeError, ValueError, OverflowError) as error:
            return f"option {name!r} cannot be {value!r}: {error}"
    return None


if __name__ == "__main__":
    sys.exit(main())
