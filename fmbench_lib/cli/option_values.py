"""What options of the command line mean to the library."""

from __future__ import annotations

import argparse
import os
import random
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from fmbench_lib.config.reading.overrides import OVERRIDE
from fmbench_lib.errors import InputError
from fmbench_lib.runs.location import StorageOptions, every_file
from fmbench_lib.runs.named_runs import named_run
from fmbench_lib.runs.opening import default_results
from fmbench_lib.runs.url_config import DEFAULT_REQUESTS, UrlRequest
from fmbench_lib.workspace import Workspace

_MOST_SEED = 1_000_000
_KEYS_OF_OPTIONS = {
    "data": "data.sources=[FILE]",
    "model": "experiments[*].model_id=NAME",
    "concurrency": "experiments[*].concurrency_levels=[1,4]",
    "rate": "experiments[*].request_rates=[2,8]",
    "requests": "load.requests=N",
    "input_tokens": "data.synthetic={input_tokens: N}",
    "output_tokens": "data.synthetic={input_tokens: N, output_tokens: N}",
    "api_key_env": "experiments[*].api_key_env=NAME",
}
"""What says in a config what these options say of a server without one."""


def config_arguments(options: argparse.Namespace) -> dict[str, str]:
    """What the options say in a config's place: `-A` by placeholder, and `--set` as `overrides_in` reads it.

    Raises InputError for one of another form.
    """
    return {**arguments(options.arguments), **_overrides(getattr(options, "overrides", ()))}


def arguments(pairs: Sequence[str]) -> dict[str, str]:
    """The `-A key=value` pairs by key. Raises InputError for one of another form."""
    values = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.isidentifier():
            given = f"{key}=…" if equals else pair  # the value may be a secret
            raise InputError(f"-A {given}: write -A key=value, with the key that the config has in braces")
        values[key] = value
    return values


def _overrides(pairs: Sequence[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for pair in pairs:
        path, equals, value = pair.partition("=")
        if not equals or not path.strip():
            raise InputError(f"--set {pair}: write --set key=value, such as --set load.requests=20")
        name = OVERRIDE + path.strip()
        values.pop(name, None)  # the order counts: the last one wins
        values[name] = value
    return values


def standard_placeholders(options: argparse.Namespace) -> dict[str, str]:
    """The standard placeholders that options give; others may be known to this machine."""
    tmp_dir = options.tmp_dir or (tempfile.gettempdir() if options.local_mode == "yes" else None)
    values = {
        "role_arn": options.role_arn,
        "write_bucket": options.write_bucket,
        "read_tmpdir": tmp_dir and str(Path(tmp_dir, "fmbench-read")),
        "write_tmpdir": tmp_dir and str(Path(tmp_dir, "fmbench-write")),
    }
    return {name: value for name, value in values.items() if value}


def results_folder(options: argparse.Namespace) -> Path:
    """The folder of run directories."""
    return Path(options.results_dir) if options.results_dir else default_results()


def storage_options(options: argparse.Namespace) -> StorageOptions:
    """What the options say of buckets."""
    return StorageOptions(local_only=options.local_mode == "yes", write_bucket=options.write_bucket)


def check_url_options(options: argparse.Namespace) -> None:
    """Raise InputError for options that go with `--url` where it is not given: they would change nothing."""
    for name, key in _KEYS_OF_OPTIONS.items():
        if options.url is None and getattr(options, name) is not None:
            option = f"--{name.replace('_', '-')}"
            raise InputError(f"{option} goes with --url; for a config, write --set '{key}'")


def url_request(options: argparse.Namespace) -> UrlRequest:
    """What the options of a run without a config ask for. Raises InputError for a key that the environment lacks."""
    if options.api_key_env and not os.environ.get(options.api_key_env):
        raise InputError(f"--api-key-env {options.api_key_env}: the environment has no such variable")
    return UrlRequest(
        url=options.url,
        model=options.model,
        data=options.data,
        concurrency=tuple(options.concurrency or ()),
        rates=tuple(options.rate or ()),
        requests=options.requests or DEFAULT_REQUESTS,
        api_key_env=options.api_key_env,
        input_tokens=options.input_tokens,
        output_tokens=options.output_tokens,
        seed=random.SystemRandom().randrange(1, _MOST_SEED),
    )


def existing_run(run_dir: str, wanted: Callable[[str], bool] = every_file, results: str | None = None) -> Path:
    """The directory of an existing run, named as `named_run` says; one in a bucket is fetched, as far as its files are
    wanted.

    Raises InputError where there is no such run.
    """
    path = named_run(run_dir, Path(results) if results else default_results(), wanted)
    Workspace(path).read_run()
    return path
