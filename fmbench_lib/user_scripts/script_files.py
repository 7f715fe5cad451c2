"""Finding the scripts that a config names, and checking, without running them, that they define the required
functions."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

from fmbench_lib.config import Config, Experiment
from fmbench_lib.config.platforms import platform_facts, protocol_facts
from fmbench_lib.errors import InputError
from fmbench_lib.host.paths import expanded
from fmbench_lib.storage.fetch import local_copy
from fmbench_lib.user_scripts.fmbench2_module import missing_imports

DEPLOY = "deploy"
CREATE_PREDICTOR = "create_predictor"

Fetch: TypeAlias = Callable[[str, str], str]
"""Returns a local copy of an `s3://` address; the second argument is what error messages call the file."""


def deployment_file(
    config: Config, experiment: Experiment, folders: Sequence[Path], fetch: Fetch | None = None
) -> Path | None:
    """The user script that deploys an experiment; None where a platform deploys it, or nothing is deployed.

    :raises InputError: it does not exist, has no function `deploy`, or imports what FMBench 2.x has and fmbench lacks.
    """
    by_script = platform_facts(experiment.platform).by_script and experiment.deploy
    if not by_script or experiment.deployment_script is None:
        return None
    path = script_file(config, experiment.deployment_script, folders, fetch)
    _check_holds(path, DEPLOY, "(experiment_config, role_arn)")
    return path


def inference_file(
    config: Config, experiment: Experiment, folders: Sequence[Path], fetch: Fetch | None = None
) -> Path | None:
    """The user script that sends an experiment's requests; None where a codec does.

    :raises InputError: it does not exist, has no function `create_predictor`, or imports what fmbench lacks.
    """
    if not protocol_facts(experiment.protocol).by_script or experiment.inference_script is None:
        return None
    path = script_file(config, experiment.inference_script, folders, fetch)
    _check_holds(path, CREATE_PREDICTOR, "(endpoint_name, inference_spec, metadata)")
    return path


def script_file(config: Config, name: str, folders: Sequence[Path], fetch: Fetch | None = None) -> Path:
    """A script as a local file, copied (by `fetch`) where it is in one of the run's own buckets.

    It is looked for in the `folders` and the current one, and in the folder `scripts_prefix` of each. A script listed
    in `script_files` that is in none of them is copied from the read bucket. Raises InputError where it is not found.
    """
    source = config.s3_read_data
    if urlsplit(name).scheme == "s3":
        return _from_bucket(name, [config.aws.bucket, source.read_bucket], fetch or local_copy)
    path, searched = expanded(name), tuple(dict.fromkeys((*folders, Path.cwd())))
    for candidate in _candidates(path, searched, source.scripts_prefix):
        if candidate.is_file():
            return candidate.resolve()
    if name in source.script_files and source.read_bucket and "{" not in source.read_bucket:
        address = f"s3://{source.read_bucket}/{source.scripts_prefix}/{name}"
        return Path((fetch or local_copy)(address, "script"))
    raise InputError(
        f"the script {name} was not found in {', '.join(str(folder.resolve()) for folder in searched)} or their folder "
        f"{source.scripts_prefix}; correct the path or put it there"
    )


def _candidates(path: Path, folders: Iterable[Path], prefix: str) -> Iterator[Path]:
    for root in folders:
        yield root / path
        yield root / prefix / path


def _from_bucket(address: str, run_buckets: Iterable[str | None], fetch: Fetch) -> Path:
    bucket = urlsplit(address).netloc
    if bucket not in run_buckets:
        raise InputError(
            f"{address} is not in a bucket of this run: scripts are executed, so they must come from the local "
            "disk, aws.bucket or s3_read_data.read_bucket"
        )
    return Path(fetch(address, "script"))


def holds(path: Path, function: str) -> bool:
    """Whether the top level of a script defines a function of that name. Raises InputError where it is not valid
    Python."""
    return _defines(_parsed(path), function)


def _parsed(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes(), str(path))
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path} is not valid Python: {error}") from None


def _check_holds(path: Path, function: str, arguments: str) -> None:
    tree = _parsed(path)
    if not _defines(tree, function):
        raise InputError(f"{path}: has no function {function}{arguments}")
    for line, why in missing_imports(tree):
        raise InputError(f"{path}, line {line}: {why}")


def _defines(tree: ast.Module, function: str) -> bool:
    return any(function in _names(statement) for statement in tree.body)


def _names(statement: ast.stmt) -> list[str]:
    """The names that a statement binds."""
    if isinstance(statement, ast.FunctionDef):
        return [statement.name]
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name for alias in statement.names]
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]
