"""What the command line gives to a config: `-A` and `--set`, and the placeholders that this machine knows."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from fmbench_lib.aws.placeholders import standard_values
from fmbench_lib.config import LoadedConfig, load_config
from fmbench_lib.config.reading.argument_names import check_arguments
from fmbench_lib.config.reading.overrides import OVERRIDE
from fmbench_lib.config.shipped.files import find_config
from fmbench_lib.errors import InputError
from fmbench_lib.run_state import RunState
from fmbench_lib.storage.default_buckets import default_bucket
from fmbench_lib.storage.fetch import local_config

ARGUMENTS_VARIABLE = "FMBENCH_ARGUMENTS"  # how `-A` reaches the notebooks' kernels: it may hold secrets


@contextmanager
def passed_on(arguments: Mapping[str, str]) -> Iterator[None]:
    """Kernels that are started meanwhile have these arguments."""
    before = os.environ.get(ARGUMENTS_VARIABLE)
    os.environ[ARGUMENTS_VARIABLE] = json.dumps(arguments)
    try:
        yield
    finally:
        if before is None:
            del os.environ[ARGUMENTS_VARIABLE]
        else:
            os.environ[ARGUMENTS_VARIABLE] = before


def given_arguments(arguments: Mapping[str, str] | None) -> dict[str, str]:
    """`-A` as given to this process, or passed to this kernel through the environment."""
    return {**json.loads(os.environ.get(ARGUMENTS_VARIABLE) or "{}"), **(arguments or {})}


def named_arguments(values: Mapping[str, object]) -> dict[str, str]:
    """The arguments that a notebook gives: a word is a placeholder, as `-A` has it, and a path of keys a value of the
    config, as `--set` has it: `{"region": "eu-west-1", "load.requests": 20}`.

    Raises InputError for a name or value that can be neither.
    """
    given = {}
    for name, value in values.items():
        path = name.removeprefix(OVERRIDE).strip() if isinstance(name, str) else ""
        if not path:
            raise InputError(f"arguments: {name!r} is no name; write the path of a key, such as 'load.requests'")
        try:
            text = value if isinstance(value, str) else json.dumps(value)  # JSON is YAML
        except TypeError:
            raise InputError(f"arguments: the value of {path} is a {type(value).__name__}, which is not YAML") from None
        is_key = not path.isidentifier() or name != path or isinstance(value, Mapping | list)
        given[f"{OVERRIDE}{path}" if is_key else path] = text
    return given


def all_arguments(state: RunState, arguments: Mapping[str, str] | None) -> dict[str, str]:
    """Those that a run has recorded, and those given now; where both have one, the order is that of now."""
    given = given_arguments(arguments)
    return {**{name: text for name, text in state["arguments"].items() if name not in given}, **given}


def load_with_placeholders(
    config_file: str | Path,
    arguments: Mapping[str, str],
    standard: Mapping[str, str] | None,
    *,
    local_only: bool = False,
) -> tuple[LoadedConfig, dict[str, str]]:
    """Load a config with the standard placeholders (region, role, buckets) that are given or known on this machine.

    Returns it with their values. Its notices say where values come from that were not given. With `local_only` no
    bucket is looked for. Raises ConfigError, also for an argument that the config has no place for.
    """
    path = local_config(str(config_file))
    check_arguments(find_config(path), arguments)
    texts = [_without_comments(find_config(path)), *arguments.values()]
    find_bucket = None if local_only else default_bucket
    found = standard_values(texts, {**(standard or {}), **arguments}, find_bucket=find_bucket)
    known = {**(standard or {}), **found.values}
    loaded = load_config(path, arguments=arguments, standard=known)
    return replace(loaded, notices=(*loaded.notices, *found.notices)), known


def _without_comments(config: Path) -> str:
    """A config's text without comments, empty where it cannot be read: loading it then reports the error."""
    try:
        text = config.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return re.sub(r"(^|\s)#.*", "", text, flags=re.MULTILINE)
