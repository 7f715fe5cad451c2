"""llama.cpp's own HTTP server in a separate process.

Started as `python -m fmbench_lib.deploy.local.llama_server --model FILE …`. It waits for a byte on standard input,
which its parent writes once it has recorded this process, and exits if standard input ends first. Then it serves until
it is stopped by a signal.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import sys
import threading
from typing import Any

OPTIONS_VARIABLE = "FMBENCH_LLAMA_OPTIONS"
"""Holds the options as JSON: not an argument, since one may be a key and every user of the machine sees arguments."""


def main(arguments: list[str] | None = None) -> int:
    """Serve until stopped. The exit code is 2 for invalid options, 1 where the server does not start."""
    options = _parser().parse_args(arguments)
    if not sys.stdin.buffer.read(1):
        print("llama_server: not started: the parent process is gone")
        return 1
    import xllamacpp

    params = xllamacpp.CommonParams()
    problem = _configure(params, options)
    if problem is not None:
        print(f"llama_server: {problem}")
        return 2
    try:
        server = xllamacpp.Server(params)
    except RuntimeError as error:
        # llama.cpp logs in its own thread and may lose the last lines, so the file is named here.
        print(f"llama_server: {options.model}: {error}")
        return 1
    print(f"llama_server: process {os.getpid()} serves {options.alias} at {server.listening_address}", flush=True)
    # The server's own threads do the work; this one must stay alive, since the server ends with its object.
    threading.Event().wait()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m fmbench_lib.deploy.local.llama_server", description=__doc__)
    parser.add_argument("--model", required=True, help="the GGUF file")
    parser.add_argument("--alias", required=True, help="the model's name in answers")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--context-tokens", type=int, required=True, help="context of one request")
    parser.add_argument("--parallel", type=int, required=True, help="requests served at once")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--cache-prompt", choices=("yes", "no"), required=True)
    parser.add_argument(
        "--options",
        default=os.environ.get(OPTIONS_VARIABLE, "{}"),
        help="further settings of llama.cpp's common parameters, as JSON; else those in the environment",
    )
    return parser


def _configure(params: Any, options: argparse.Namespace) -> str | None:
    """Fill in llama.cpp's parameters; returns what is wrong with the options, or None."""
    params.model.path = options.model
    params.model_alias = {options.alias}
    params.hostnames = ["127.0.0.1"]
    params.port = options.port
    params.n_ctx = options.context_tokens * options.parallel  # llama.cpp divides the context among the slots
    params.n_parallel = options.parallel
    params.cpuparams.n_threads = options.threads
    params.cont_batching = True
    params.use_jinja = True
    params.endpoint_metrics = True
    params.endpoint_slots = True
    params.ui = False
    params.offline = True
    if options.cache_prompt == "no":
        params.cache_prompt = False
        params.cache_ram_mib = 0
        params.cache_idle_slots = False
    return _apply(params, json.loads(options.options))


def _apply(params: Any, options: dict[str, Any]) -> str | None:
    names = [name for name in dir(params) if not name.startswith("_")]
    for name, value in options.items():
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            return f"llama.cpp has no option {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")
        try:
            setattr(params, name, value)
        except (TypeError, ValueError, OverflowError) as error:
            return f"option {name!r} cannot be {value!r}: {error}"
    return None


if __name__ == "__main__":
    sys.exit(main())
