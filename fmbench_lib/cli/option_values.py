"""What options of the command line mean to the library."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from fmbench_lib.errors import InputError
from fmbench_lib.runs.location import StorageOptions, every_file
from fmbench_lib.runs.opening import default_results, local_run
from fmbench_lib.workspace import Workspace


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


def standard_placeholders(options: argparse.Namespace) -> dict[str, str]:
    """The standard placeholders that options give; others may be known to this machine."""
    values = {
        "role_arn": options.role_arn,
        "write_bucket": options.write_bucket,
        "read_tmpdir": options.tmp_dir,
        "write_tmpdir": options.tmp_dir,
    }
    return {name: value for name, value in values.items() if value}


def results_folder(options: argparse.Namespace) -> Path:
    """The folder of run directories."""
    return Path(options.results_dir) if options.results_dir else default_results()


def storage_options(options: argparse.Namespace) -> StorageOptions:
    """What the options say of buckets."""
    return StorageOptions(local_only=options.local_mode == "yes", write_bucket=options.write_bucket)


def existing_run(run_dir: str, wanted: Callable[[str], bool] = every_file) -> Path:
    """The directory of an existing run; one in a bucket is fetched, as far as its files are wanted.

    Raises InputError where there is no such run.
    """
    path = local_run(run_dir, wanted=wanted)
    Workspace(path).read_run()
    return path
