"""The files that a run reads: from this machine, and from the read bucket that its config names.

`s3_read_data.s3_or_local_file_system` says in which order. `s3`: the bucket, then this machine. `local`: this machine
alone. `both`, and where nothing is said: the user's own files here, the bucket, then what ships with fmbench.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from fmbench_lib.aws.default_buckets import default_bucket
from fmbench_lib.config import Config, Experiment, resolve_file
from fmbench_lib.config.platforms import platform_facts
from fmbench_lib.data.prompts import Source
from fmbench_lib.data.tokenizers import Tokenizer, load_tokenizer
from fmbench_lib.errors import InputError, TokenizerError
from fmbench_lib.load.levels.trace import TraceEntry, read_trace
from fmbench_lib.metrics.goodput import Objectives
from fmbench_lib.models.hub_token import TOKEN_FILE, hf_token, token_in
from fmbench_lib.runs.location import given, keeper_of
from fmbench_lib.runs.run import Run
from fmbench_lib.storage.bucket import Address, is_address
from fmbench_lib.storage.run_inputs import input_file, secret_text


def read_bucket(run: Run) -> Address | None:
    """The bucket that the run reads from; None where it reads none, or none is known.

    Raises InputError where the config says `s3` and no bucket can be known.
    """
    reading = run.config.s3_read_data
    if run.local_only or reading.s3_or_local_file_system == "local":
        return None
    named = given(reading.read_bucket)
    if named is None and reading.s3_or_local_file_system == "s3":
        named = _default(given(run.config.aws.region))
    return None if named is None else Address(named.removeprefix("s3://").strip("/"), "")


@lru_cache(maxsize=4)
def _default(region: str | None) -> str:
    return default_bucket("read", region)


def file_of(run: Run, name: str, kind: str, prefix: str) -> Path:
    """A file that the config names; `prefix` is its folder in the read bucket, and may be one on this machine.

    Raises InputError where it is nowhere, with the places that were looked at.
    """
    if is_address(name):
        return _fetched(run, Address.parse(name), kind)
    first = run.config.s3_read_data.s3_or_local_file_system == "s3"
    bucket = None if Path(name).expanduser().is_absolute() else read_bucket(run)
    here = [_in_bucket, _own] if first else [_own, _in_bucket]
    for find in here:
        found = find(run, bucket, name, kind, prefix)
        if found is not None:
            return found
    try:
        return _anywhere_here(run, name, kind, prefix)
    except InputError as error:
        asked = "" if bucket is None else f"; it is not at {bucket.below(prefix, name)} either"
        raise InputError(f"{error}{asked}") from None


def _in_bucket(run: Run, bucket: Address | None, name: str, kind: str, prefix: str) -> Path | None:
    if bucket is None:
        return None
    return input_file(run.workspace, bucket.below(prefix, name), kind, given(run.config.aws.region))


def _own(run: Run, _bucket: Address | None, name: str, _kind: str, prefix: str) -> Path | None:
    """The user's own file: in the config's folder or the current one, there also in the folder `prefix`."""
    paths = (folder / part / name for part in (prefix, "") for folder in (run.loaded.folder, Path.cwd()))
    return next((path for path in paths if path.exists()), None)


def _anywhere_here(run: Run, name: str, kind: str, prefix: str) -> Path:
    try:
        return resolve_file(str(Path(prefix) / name), config_folder=run.loaded.folder, kind=kind)
    except InputError:
        return resolve_file(name, config_folder=run.loaded.folder, kind=kind)


def _fetched(run: Run, address: Address, kind: str) -> Path:
    if run.local_only:
        raise InputError(f"the {kind} {address} is in a bucket, and --local-mode yes keeps buckets out")
    found = input_file(run.workspace, address, kind, given(run.config.aws.region))
    if found is None:
        raise InputError(f"the {kind} {address} does not exist; correct the address")
    return found


def tokenizer_place(run: Run, spec: str) -> Path | None:
    """Where a tokenizer that a bucket holds is on this machine; None for one that is looked for elsewhere.

    A bucket holds those given by their address, and `tokenizer_prefix` of the read bucket.
    """
    if is_address(spec):
        return _fetched(run, _tokenizer_file(Address.parse(spec)), "tokenizer")
    reading = run.config.s3_read_data
    bucket = read_bucket(run) if spec == reading.tokenizer_prefix and not Path(spec).is_absolute() else None
    own = any((folder / spec).exists() for folder in (run.loaded.folder, Path.cwd()))
    if bucket is None or (own and reading.s3_or_local_file_system != "s3"):
        return None
    return input_file(run.workspace, _tokenizer_file(bucket.below(spec)), "tokenizer", given(run.config.aws.region))


def _tokenizer_file(address: Address) -> Address:
    return address if address.key.endswith((".json", ".gguf")) else address.below("tokenizer.json")


def script_fetcher(run: Run) -> Callable[[str, str], str]:
    """What fetches a script of the user's own from a bucket, once for the run."""
    return lambda address, what: str(_fetched(run, Address.parse(address), what))


def hf_token_of(run: Run) -> str | None:
    """The Hugging Face token for containers: of the environment, or of the file that the config names.

    One in the read bucket is read when it is needed and kept on no disk.
    """
    source = run.config.s3_read_data
    found = hf_token(source.script_files, (run.loaded.folder, Path.cwd()), source.scripts_prefix)
    named = next((name for name in source.script_files if Path(name).name == TOKEN_FILE), None)
    bucket = read_bucket(run) if found is None and named is not None else None
    if bucket is None or named is None:
        return found
    address = bucket.below(source.scripts_prefix, named)
    text = secret_text(address, "Hugging Face token", given(run.config.aws.region))
    return None if text is None else token_in(text, str(address))


def buckets(run: Run) -> dict[str, str]:
    """The buckets of the run, by what they are to it."""
    read, keeper = read_bucket(run), keeper_of(run.workspace)
    named = {
        "read bucket": read and f"s3://{read.bucket}",
        "kept in": keeper and str(keeper.address),
    }
    return {what: place for what, place in named.items() if place}


def outage_notices(run: Run) -> list[str]:
    """What the report says of the times when the run could not be sent to its bucket."""
    kept = run.workspace.read_run().get("kept", {})
    return [
        f"at {one['since']} the run could not be sent to {kept['address']}: {one['said']}; it is whole in its "
        f"directory, from which `fmbench sync` sends what the bucket lacks"
        for one in kept.get("outages", [])
    ]


def trace_of(run: Run) -> tuple[TraceEntry, ...] | None:
    """The requests of the config's trace, None where it has none; raises InputError where it cannot be used."""
    name = run.config.load.trace
    if name is None:
        return None
    return read_trace(file_of(run, name, "trace", run.config.s3_read_data.source_data_prefix))


def ca_bundle(run: Run) -> str | None:
    """The authorities that servers' certificates are checked against; None for the system's."""
    name = run.config.load.ca_bundle
    if name is None:
        return os.environ.get("SSL_CERT_FILE")
    return str(file_of(run, name, "bundle of certificate authorities", run.config.s3_read_data.configs_prefix))


def objectives_of(config: Config) -> Objectives:
    """What the config asks of every single request."""
    return Objectives(ttft=config.slo.ttft, tpot=config.slo.tpot, latency=config.slo.latency)


def price_file(run: Run) -> str:
    """Where the prices come from, as it is shown."""
    pricing = run.config.pricing
    if not isinstance(pricing, str):
        return "the config itself"
    return str(file_of(run, pricing, "price file", run.config.s3_read_data.configs_prefix))


def template_path(run: Run) -> Path:
    reading = run.config.s3_read_data
    name = reading.prompt_template_file or "prompt_template_qa.txt"
    return file_of(run, name, "prompt template", reading.prompt_template_dir)


def sources(run: Run) -> list[Source]:
    reading = run.config.s3_read_data
    return [
        Source.hub(name, run.config.datasets.ds_N)
        if name.startswith("hf:")
        else Source.file(file_of(run, name, "source file", reading.source_data_prefix))
        for name in reading.source_data_files
    ]


def tokenizer_of(run: Run, experiment: Experiment) -> Tokenizer:
    """The experiment's tokenizer, as its config names it.

    Raises TokenizerError when it names none: a tokenizer is never chosen in silence.
    """
    spec = tokenizer_spec(run, experiment)
    if spec is None:
        raise TokenizerError(
            f"experiment {experiment.name} names no tokenizer: write `tokenizer:` with a folder, a Hugging Face id, "
            f"a .gguf file, or `words` for an estimate"
        )
    return load_tokenizer(spec, folders=[run.loaded.folder, Path.cwd()], place=tokenizer_place(run, spec))


def tokenizer_spec(run: Run, experiment: Experiment) -> str | None:
    """What an experiment's config says of its tokenizer: its own word, FMBench 2.x's, or what it serves locally."""
    named = experiment.tokenizer or experiment.hf_tokenizer_model_id or run.config.s3_read_data.tokenizer_prefix
    if named is None and platform_facts(experiment.platform).model_has_tokenizer:
        return experiment.model_id
    return named
