"""The files that a run reads: from this machine, and from the read bucket that its config names.

`s3_read_data.s3_or_local_file_system` sets the order. `s3`: the bucket, then this machine. `local`: this machine only.
`both`, the default: the user's files on this machine, the bucket, the files that ship with fmbench.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from fmbench_lib.config import Config, resolve_file
from fmbench_lib.config.load_settings import TraceEntry
from fmbench_lib.data.public_sets.catalogue import file_with_rows_of
from fmbench_lib.data.sources.base import Source, SourceRequest
from fmbench_lib.data.sources.readers import reader_for
from fmbench_lib.errors import InputError
from fmbench_lib.host.paths import expanded
from fmbench_lib.load.levels.trace_file import read_trace
from fmbench_lib.metrics.objectives import Objectives
from fmbench_lib.models.hub_token import TOKEN_FILE, hf_token, token_in
from fmbench_lib.runs.location import filled_in, keeper_of
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.run_inputs.public_data import fetch_command
from fmbench_lib.storage.bucket import Address, is_address
from fmbench_lib.storage.default_buckets import default_bucket
from fmbench_lib.storage.run_inputs import input_file, secret_text


def read_bucket(run: Run) -> Address | None:
    """The bucket that the run reads from; None where it reads from none.

    Raises InputError where the config says `s3` and neither it nor the AWS account gives a bucket.
    """
    reading = run.config.s3_read_data
    if run.local_only or reading.s3_or_local_file_system == "local":
        return None
    bucket = filled_in(reading.read_bucket)
    if bucket is None and reading.s3_or_local_file_system == "s3":
        bucket = _default_bucket(filled_in(run.config.aws.region))
    return None if bucket is None else Address(bucket.removeprefix("s3://").strip("/"), "")


@lru_cache(maxsize=4)
def _default_bucket(region: str | None) -> str:
    return default_bucket("read", region)


def file_of(run: Run, name: str, kind: str, prefix: str) -> Path:
    """A file that the config names, fetched if it is in a bucket; `kind` names it in messages.

    `prefix` is its folder in the read bucket, which is also tried on this machine. Raises InputError where it is not
    found, with the locations that were searched.
    """
    if is_address(name):
        return fetched(run, Address.parse(name), kind)
    first = run.config.s3_read_data.s3_or_local_file_system == "s3"
    bucket = None if expanded(name).is_absolute() else read_bucket(run)
    searches = [_in_bucket, _users_file] if first else [_users_file, _in_bucket]
    for search in searches:
        path = search(run, bucket, name, kind, prefix)
        if path is not None:
            return path
    try:
        return _on_this_machine(run, name, kind, prefix)
    except InputError as error:
        also = "" if bucket is None else f"; it is not at {bucket.below(prefix, name)} either"
        raise InputError(f"{error}{also}") from None


def _in_bucket(run: Run, bucket: Address | None, name: str, kind: str, prefix: str) -> Path | None:
    if bucket is None:
        return None
    return input_file(run.workspace, bucket.below(prefix, name), kind, filled_in(run.config.aws.region))


def _users_file(run: Run, _bucket: Address | None, name: str, _kind: str, prefix: str) -> Path | None:
    """The user's file: in the config's folder or the current one, or in their folder `prefix`."""
    paths = (folder / part / name for folder in run.loaded.folders for part in (prefix, ""))
    return next((path for path in paths if path.exists()), None)


def _on_this_machine(run: Run, name: str, kind: str, prefix: str) -> Path:
    """A file of the user or one that ships with fmbench; raises InputError with the locations that were searched."""
    try:
        return resolve_file(str(Path(prefix) / name), folders=run.loaded.folders, kind=kind)
    except InputError:
        return resolve_file(name, folders=run.loaded.folders, kind=kind)


def fetched(run: Run, address: Address, kind: str) -> Path:
    """The local copy of a file in a bucket, `kind` names it in messages. Raises InputError where there is none."""
    if run.local_only:
        raise InputError(f"the {kind} {address} is in a bucket, and with --local-mode yes no bucket is read")
    path = input_file(run.workspace, address, kind, filled_in(run.config.aws.region))
    if path is None:
        raise InputError(f"the {kind} {address} does not exist; correct the address")
    return path


def script_fetcher(run: Run) -> Callable[[str, str], str]:
    """A function that fetches a user script from a bucket, once for the run."""
    return lambda address, what: str(fetched(run, Address.parse(address), what))


def hf_token_of(run: Run) -> str | None:
    """The Hugging Face token for containers, from the environment or the file that the config names, else None.

    A file in the read bucket is read when it is needed and never stored on disk.
    """
    source = run.config.s3_read_data
    token = hf_token(source.script_files, run.loaded.folders, source.scripts_prefix)
    file = next((name for name in source.script_files if Path(name).name == TOKEN_FILE), None)
    bucket = read_bucket(run) if token is None and file is not None else None
    if bucket is None or file is None:
        return token
    address = bucket.below(source.scripts_prefix, file)
    text = secret_text(address, "Hugging Face token", filled_in(run.config.aws.region))
    return None if text is None else token_in(text, str(address))


def buckets(run: Run) -> dict[str, str]:
    """The buckets that the run reads from and is kept in, with what each is for."""
    read, keeper = read_bucket(run), keeper_of(run.workspace)
    named = {
        "read bucket": read and f"s3://{read.bucket}",
        "kept in": keeper and str(keeper.address),
    }
    return {what: place for what, place in named.items() if place}


def outage_notices(run: Run) -> list[str]:
    """Lines for the report on the times when the run could not be sent to its bucket."""
    kept = run.workspace.read_run().get("kept", {})
    return [
        f"at {outage['since']} the run could not be sent to {kept['address']}: {outage['said']}; it is complete in its "
        f"directory, and `fmbench sync` sends what the bucket lacks"
        for outage in kept.get("outages", [])
    ]


def trace_of(run: Run) -> tuple[TraceEntry, ...] | None:
    """The requests of the config's trace, None where it has none. Raises InputError where it cannot be read."""
    name = run.config.load.trace
    if name is None:
        return None
    return read_trace(file_of(run, name, "trace", run.config.s3_read_data.source_data_prefix))


def ca_bundle(run: Run) -> str | None:
    """The file of certificate authorities to check servers against; None for the system's.

    Raises InputError where the config names one that is not found.
    """
    name = run.config.load.ca_bundle
    if name is None:
        return os.environ.get("SSL_CERT_FILE")
    return str(file_of(run, name, "bundle of certificate authorities", run.config.s3_read_data.configs_prefix))


def objectives_of(config: Config) -> Objectives:
    """The objectives that the config sets for every single request."""
    return Objectives(ttft=config.slo.ttft, tpot=config.slo.tpot, latency=config.slo.latency)


def price_file(run: Run) -> str:
    """Where the prices come from, for display. Raises InputError where the price file is not found."""
    pricing = run.config.pricing
    if not isinstance(pricing, str):
        return "the config itself"
    return str(file_of(run, pricing, "price file", run.config.s3_read_data.configs_prefix))


def sources(run: Run) -> list[Source]:
    """The config's source files and data sets, opened. Raises InputError for one that is missing or misspelt."""
    return [_source(run, name) for name in run.config.s3_read_data.source_data_files]


def _source(run: Run, name: str) -> Source:
    fetched_rows = _fetched_rows(run, name)
    if fetched_rows is not None:
        return fetched_rows
    reader = reader_for(name)
    prefix = run.config.s3_read_data.source_data_prefix
    try:
        path = file_of(run, name, "source file", prefix) if reader.reads_files else None
    except InputError as error:
        command = None if is_address(name) else fetch_command(name, run.loaded.folders, prefix)
        raise (InputError(f"{error}; it is public, and this brings it: {command}") if command else error) from None
    command = None if reader.reads_files else fetch_command(name, run.loaded.folders, prefix)
    return reader.open(SourceRequest(name, path, run.config.datasets.ds_N, brought_by=command))


def _fetched_rows(run: Run, name: str) -> Source | None:
    """A data set of the Hub from the file that `fmbench fetch` has made of it, as many rows as the config reads."""
    file = file_with_rows_of(name)
    if file is None:
        return None
    prefix = run.config.s3_read_data.source_data_prefix
    path = _users_file(run, None, file.target, "", prefix) or _in_bucket(
        run, read_bucket(run), file.target, "source file", prefix
    )
    if path is None:
        return None
    most = run.config.datasets.ds_N
    source = reader_for(file.target).open(SourceRequest(file.target, path, most))
    return replace(source, read=lambda: itertools.islice(source.read(), most))
