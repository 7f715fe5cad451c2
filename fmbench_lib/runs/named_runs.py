"""Runs as a person names them: `latest`, a name and an id, a directory, an address."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fmbench_lib.config.spelling import edit_distance, nearest
from fmbench_lib.errors import RunStateError
from fmbench_lib.runs.location import every_file
from fmbench_lib.runs.opening import local_run
from fmbench_lib.storage.bucket import is_address
from fmbench_lib.workspace import RUN_FILE

LATEST = "latest"
_NEAR = 3


def all_runs(results: Path) -> list[Path]:
    """The directories of all runs below `results`, newest first."""
    found = [file.parent for file in results.glob(f"*/*Z*/{RUN_FILE}")]
    return sorted(found, key=lambda path: path.name, reverse=True)


def run_names(results: Path) -> list[str]:
    """What the runs below `results` may be called, newest first: `name/run id`."""
    return [f"{path.parent.name}/{path.name}" for path in all_runs(results)]


def named_run(name: str, results: Path, wanted: Callable[[str], bool] = every_file) -> Path:
    """The directory of the run that is meant.

    `name` is its directory, its s3:// address (its files are fetched as far as they are `wanted`), its `name/run id` or
    run id below `results`, or `latest`, for the one that began last. Raises InputError where there is none.
    """
    path = Path(name)
    if is_address(name) or (path / RUN_FILE).exists():
        return local_run(name, results, wanted)
    runs = all_runs(results)
    if name == LATEST and not runs:
        raise RunStateError(
            f"there is no run in {results}: name the run's directory, or the folder of the runs (--results-dir)"
        )
    if name == LATEST:
        return runs[0].resolve()
    if (results / name / RUN_FILE).exists():
        return (results / name).resolve()
    by_id = [run for run in runs if run.name == name]
    if len(by_id) == 1:
        return by_id[0].resolve()
    if path.exists():
        return path.resolve()  # reading its state says what is wrong with it
    raise RunStateError(f"there is no run {name}; {_near(name, results)}")


def _near(name: str, results: Path) -> str:
    if nearest(name, [LATEST], within=2):
        return f"did you mean {LATEST}?"
    names = run_names(results)
    if not names:
        return f"there is none in {results}"
    wanted = "/".join(Path(name).parts[-2:])
    near = sorted(names, key=lambda known: edit_distance(wanted, known))[:_NEAR]
    return f"near are {', '.join(near)} in {results}; {LATEST} is {names[0]}"
