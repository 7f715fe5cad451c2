"""The config of a run that was started with an address alone, written to a file that can be changed and run again."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from fmbench_lib.config.near_files import nearest_file
from fmbench_lib.errors import InputError
from fmbench_lib.host.atomic_files import write_text
from fmbench_lib.runs.server_at_url import Server, server_at
from fmbench_lib.workspace import path_part

DEFAULT_REQUESTS = 60
"""Measured requests of a level: the fewest that a 95% interval of the p95 can be made of, from one side, is 59."""
DEFAULT_CONCURRENCY = (1, 4)
"""Numbers of requests in flight, one level each, where none are given."""


@dataclass(frozen=True, slots=True)
class UrlRequest:
    """What to measure at an address. `rates` are in requests/s; `data` is a file of prompts, None for what ships; with
    `input_tokens` prompts of that length are made, with answers of `output_tokens`."""

    url: str
    model: str | None = None
    data: str | None = None
    concurrency: tuple[int, ...] = ()
    rates: tuple[float, ...] = ()
    requests: int = DEFAULT_REQUESTS
    api_key_env: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    seed: int = 1
    """Of prompts that are made: another one for each config, or a server may have them in its cache."""


def write_config(request: UrlRequest, results: Path) -> Path:
    """Ask the server what it is, and write the config of its run beside the run's directory.

    Raises InputError where the server or the data is not found.
    """
    if request.input_tokens is None and request.output_tokens is not None:
        raise InputError("--output-tokens is for prompts that are made: give --input-tokens too")
    if request.input_tokens is not None and request.data is not None:
        raise InputError("--input-tokens makes prompts and --data reads them: leave one of the two out")
    if request.data is not None:
        existing_data(request.data)
    key = os.environ.get(request.api_key_env) if request.api_key_env else None
    server = server_at(request.url, request.model, key)
    config = config_of(request, server)
    path = results / path_part(config["general"]["name"]) / "benchmark.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
    what, command = f"{server.model or 'The model'} at {server.address}", f"fmbench {shlex.quote(str(path))}"
    write_text(path, f"# {what}. Change it, and run it with: {command}\n{text}")
    return path


def config_of(request: UrlRequest, server: Server) -> dict[str, Any]:
    """The config that measures a server."""
    model = (server.model or "model").rstrip("/").rsplit("/", 1)[-1]
    experiment: dict[str, Any] = {
        "name": model,
        "platform": "endpoint",
        "protocol": server.protocol,
        "ep_name": server.address,
        **({"model_id": server.model} if server.model else {}),
        **({"api_key_env": request.api_key_env} if request.api_key_env else {}),
    }
    if request.rates:
        experiment["request_rates"] = list(request.rates)
    if request.concurrency or not request.rates:
        experiment["concurrency_levels"] = list(request.concurrency or DEFAULT_CONCURRENCY)
    data: dict[str, Any] = {}
    if request.data is not None:
        data["sources"] = [existing_data(request.data)]
    seed = {"seed": request.seed} if request.input_tokens is not None else {}
    if request.input_tokens is not None:
        output = {"output_tokens": request.output_tokens} if request.output_tokens else {}
        data["synthetic"] = {"input_tokens": request.input_tokens, **output}
    return {
        "general": {**seed, "name": f"{model} at {urlsplit(server.address).netloc.replace(':', '-')}"},
        "data": data or {"filters": [{"max_length_in_tokens": 4000}]},
        "load": {"requests": request.requests, "prompt_reuse": "never" if request.input_tokens else "allowed"},
        "experiments": [experiment],
    }


def existing_data(data: str) -> str:
    """A file of prompts by its whole path, or an `hf:` or s3:// address as it is. Raises InputError for no file."""
    if data.startswith(("hf:", "s3://")):
        return data
    path = Path(data)
    if not path.exists():
        close = nearest_file(path)
        raise InputError(f"--data {data}: no such file" + (f"; did you mean {close}?" if close else ""))
    return str(path.resolve())
