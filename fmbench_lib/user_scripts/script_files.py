"""Finding the scripts that a config names, and looking whether they hold what is called, without running them."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

from fmbench_lib.config import Config, Experiment
from fmbench_lib.config.platforms import platform_facts, protocol_facts
from fmbench_lib.errors import InputError
from fmbench_lib.storage.fetch import local_copy

DEPLOY = "deploy"
CREATE_PREDICTOR = "create_predictor"

Fetch: TypeAlias = Callable[[str, str], str]
"""Gives a local copy of what lies at an `s3://` address; the second argument is how an error calls it."""


def deployment_file(config: Config, experiment: Experiment, folder: Path, fetch: Fetch | None = None) -> Path | None:
    """The user's own script that deploys an experiment; None where that is done otherwise, or not at all.

    :raises InputError: it is not there, or has no function `deploy`.
    """
    by_script = platform_facts(experiment.platform).by_script and experiment.deploy
    if not by_script or experiment.deployment_script is None:
        return None
    path = script_file(config, experiment.deployment_script, folder, fetch)
    _check_holds(path, DEPLOY, "(experiment_config, role_arn)")
    return path


def inference_file(config: Config, experiment: Experiment, folder: Path, fetch: Fetch | None = None) -> Path | None:
    """The user's own script that sends an experiment's requests; None where our codecs do.

    :raises InputError: it is not there, or has no function `create_predictor`.
    """
    if not protocol_facts(experiment.protocol).by_script or experiment.inference_script is None:
        return None
    path = script_file(config, experiment.inference_script, folder, fetch)
    _check_holds(path, CREATE_PREDICTOR, "(endpoint_name, inference_spec, metadata)")
    return path


def script_file(config: Config, name: str, folder: Path, fetch: Fetch | None = None) -> Path:
    """A script as a file: of the local disk, or copied from one of the run's own buckets (by `fetch`).

    It is looked for in the config's folder and the current one, and in the folder `scripts_prefix` of both. One that
    `script_files` lists and that is in none of them comes from the read bucket.
    """
    source = config.s3_read_data
    if urlsplit(name).scheme == "s3":
        return _from_bucket(name, [config.aws.bucket, source.read_bucket], fetch or local_copy)
    place = Path(name).expanduser()
    for candidate in _places(place, folder, source.scripts_prefix):
        if candidate.is_file():
            return candidate.resolve()
    if name in source.script_files and source.read_bucket and "{" not in source.read_bucket:
        address = f"s3://{source.read_bucket}/{source.scripts_prefix}/{name}"
        return Path((fetch or local_copy)(address, "script"))
    raise InputError(
        f"the script {name} was not found in {folder.resolve()}, {Path.cwd()} and their folder "
        f"{source.scripts_prefix}; correct the path or put it there"
    )


def _places(place: Path, folder: Path, prefix: str) -> Iterator[Path]:
    for root in (folder, Path.cwd()):
        yield root / place
        yield root / prefix / place


def _from_bucket(address: str, own: Iterable[str | None], fetch: Fetch) -> Path:
    bucket = urlsplit(address).netloc
    if bucket not in own:
        raise InputError(
            f"{address} is not in a bucket of this run: scripts are run as they are, so they come from the local disk, "
            "aws.bucket or s3_read_data.read_bucket only"
        )
    return Path(fetch(address, "script"))


def holds(path: Path, function: str) -> bool:
    """Whether the top level of a script has a function of that name; raises InputError where it is no Python."""
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path}: no Python that can be run: {error}") from None
    return any(function in _names(statement) for statement in tree.body)


def _check_holds(path: Path, function: str, arguments: str) -> None:
    if not holds(path, function):
        raise InputError(f"{path}: has no function {function}{arguments}")


def _names(statement: ast.stmt) -> list[str]:
    """What a statement binds."""
    if isinstance(statement, ast.FunctionDef):
        return [statement.name]
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name for alias in statement.names]
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]
