"""The run directory: its names, its state, its events, its lock, and that its names are spelt nowhere else."""

from __future__ import annotations

import ast
import json
import multiprocessing
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import pytest

import fmbench_lib
from fmbench_lib import workspace as names
from fmbench_lib.errors import RunStateError
from fmbench_lib.host.atomic_files import read_json
from fmbench_lib.host.process_identity import this_process
from fmbench_lib.storage.left_out import left_out
from fmbench_lib.workspace import LevelKey, Workspace, create_workspace, is_needed_to_clean_up, path_part, runs_of

PACKAGE = Path(fmbench_lib.__file__).parent
NOON = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)


def made(results: Path, **state: Any) -> Workspace:
    workspace = create_workspace(results, "test", NOON)
    workspace.note(workspace.run_file, {"status": "running", "steps": {}, **state})
    return workspace


# -- names ------------------------------------------------------------------------------------------------------------


def test_runs_of_one_second_get_different_directories(tmp_path: Path) -> None:
    first, second = create_workspace(tmp_path, "a/b", NOON), create_workspace(tmp_path, "a/b", NOON)
    assert (first.run_id, second.run_id) == ("20260131-120000Z", "20260131-120000Z-2")
    assert first.path.parent == second.path.parent == tmp_path / "a%2Fb"


def test_a_directory_that_cannot_be_made_is_a_run_state_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunStateError, match=r"cannot make the run directory .*: Not a directory"):
        create_workspace(tmp_path / "file", "test")


def test_runs_are_listed_newest_first_and_only_with_a_state(tmp_path: Path) -> None:
    older = made(tmp_path)
    newer = create_workspace(tmp_path, "test", NOON.replace(hour=13))
    assert [run.run_id for run in runs_of(tmp_path, "test")] == [older.run_id]
    newer.note(newer.run_file, {})
    assert [run.run_id for run in runs_of(tmp_path, "test")] == [newer.run_id, older.run_id]


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("a b", "a b"),
        ("a/b", "a%2Fb"),
        ("..", "%2E%2E"),
        (". .", "%2E %2E"),
        ("v1.2", "v1.2"),
        (".x", "%2Ex"),
        ("x.part", "x%2Epart"),
        ("a.b.lock", "a.b%2Elock"),
        (".part", "%2Epart"),
        ("x.party", "x.party"),
    ],
)
def test_any_name_is_one_part_of_a_path(tmp_path: Path, name: str, part: str) -> None:
    assert path_part(name) == part
    assert (tmp_path / part).parent.resolve() == tmp_path.resolve()


def test_a_level_is_found_by_its_experiment(tmp_path: Path) -> None:
    workspace = made(tmp_path)
    for experiment in ("one", "one two"):
        path = workspace.level(LevelKey(experiment, "payload_en_1-9.jsonl", "concurrency-1"))
        path.parent.mkdir(parents=True)
        path.touch()
    failed = workspace.failed_level(LevelKey("one", "payload_en_1-9.jsonl", "concurrency-2"))
    failed.write_text('{"error": "x"}')
    assert workspace.levels_of("one") == [workspace.level(LevelKey("one", "payload_en_1-9.jsonl", "concurrency-1"))]
    assert len(workspace.levels()) == 2
    assert workspace.failed_levels() == [{"error": "x"}]


# -- what is sent to a bucket -----------------------------------------------------------------------------------------


def test_only_complete_files_are_sent_and_the_state_comes_last(tmp_path: Path) -> None:
    workspace = made(tmp_path, steps={"0_setup": {"status": "done"}, "1_generate_data": {"status": "running"}})
    for step in ("0_setup", "1_generate_data"):
        workspace.notebook(step).write_text("{}")
    workspace.report_file.touch()
    workspace.progress_file.touch()
    workspace.bucket_file.touch()
    (workspace.logs / "link.log").symlink_to(workspace.report_file)
    scratch = workspace.level_scratch(LevelKey("one", "p.jsonl", "concurrency-1"))
    scratch.mkdir(parents=True)
    (scratch / "records").touch()
    workspace.log_event("something")
    sent = [path.relative_to(workspace.path).as_posix() for path in workspace.complete_files()]
    assert sent == ["report.md", "notebooks/0_setup.ipynb", "events.jsonl", "run.json"]


def test_no_name_is_left_out_of_the_bucket(tmp_path: Path) -> None:
    workspace = made(tmp_path)
    names = [".hidden", "x.part", "x.lock", "..", ".a.part", "run.json", "a/../b", "ends with dot."]
    for name in names:
        for path in (workspace.payload(name), workspace.level(LevelKey(name, name, "concurrency-1"))):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    assert len(set(workspace.complete_files())) == 2 * len(names) + 1
    assert left_out(workspace) == []


def test_what_a_bucket_does_not_get_is_named(tmp_path: Path) -> None:
    workspace = made(tmp_path, steps={"3_run_inference": {"status": "running"}})
    workspace.notebook("3_run_inference").touch()
    (workspace.path / ".mine").touch()
    (workspace.logs / "link").symlink_to(tmp_path / "elsewhere")
    scratch = workspace.level_scratch(LevelKey("one", "p.jsonl", "concurrency-1"))
    scratch.mkdir(parents=True)
    (scratch / "worker-0.spool").touch()
    for own in (workspace.bucket_file, workspace.cleaned_file, workspace.progress_file, workspace.path / ".step.lock"):
        own.touch()
    assert left_out(workspace) == [
        workspace.path / ".mine",
        workspace.logs / "link",
        workspace.notebook("3_run_inference"),
        scratch / "worker-0.spool",
    ]


def test_only_the_failure_of_a_level_is_deleted_in_the_bucket(tmp_path: Path) -> None:
    workspace = made(tmp_path)
    failed = workspace.failed_level(LevelKey("one", "p.jsonl", "concurrency-1"))
    assert workspace.is_withdrawn(failed)
    assert not workspace.is_withdrawn(workspace.report_file)
    failed.parent.mkdir(parents=True)
    failed.touch()
    assert not workspace.is_withdrawn(failed)


def test_cleanup_needs_state_config_endpoints_and_events(tmp_path: Path) -> None:
    workspace = made(tmp_path)
    needed = [workspace.run_file, workspace.config_copy, workspace.endpoints_file, workspace.events_file]
    assert all(is_needed_to_clean_up(path.name) for path in needed)
    assert not is_needed_to_clean_up(workspace.report_file.name)


def test_a_run_without_a_bucket_counts_as_sent(tmp_path: Path) -> None:
    assert made(tmp_path).keep() is True


# -- the state and the events -----------------------------------------------------------------------------------------


def test_mappings_are_merged_and_other_values_replaced(tmp_path: Path) -> None:
    workspace = made(tmp_path)
    workspace.update_run(steps={"0_setup": {"status": "running", "started": "then"}})
    state = workspace.update_run(status="failed", steps={"1_generate_data": {"status": "failed", "started": "now"}})
    assert state == workspace.read_run()
    assert state["status"] == "failed"
    assert state["steps"].keys() == {"0_setup", "1_generate_data"}


def test_a_run_whose_process_is_gone_is_read_as_interrupted(tmp_path: Path) -> None:
    steps = {"0_setup": {"status": "done"}, "3_run_inference": {"status": "running"}}
    workspace = made(tmp_path, status="running", process=this_process(), steps=steps)
    assert workspace.read_run()["status"] == "running"
    workspace.update_run(process={**this_process(), "started": 1.0})
    state = workspace.read_run()
    assert (state["status"], state["steps"]["0_setup"]["status"]) == ("interrupted", "done")
    assert state["steps"]["3_run_inference"]["status"] == "interrupted"
    workspace.settle()
    written = read_json(workspace.run_file)
    # Its notebook may hold secrets still, so that it is not taken for a complete one.
    assert (written["status"], written["steps"]) == ("interrupted", steps)


def test_records_that_were_set_aside_are_deleted_in_the_bucket_under_their_old_name(tmp_path: Path) -> None:
    workspace, key = made(tmp_path), LevelKey("one", "p.jsonl", "rate-0.5")
    path = workspace.level(key)
    assert not workspace.is_withdrawn(path)
    path.parent.mkdir(parents=True)
    for number in (10, 9):
        workspace.earlier_attempt(key, number).touch()
    workspace.earlier_attempt(key._replace(load="rate-0"), 1).touch()
    assert workspace.is_withdrawn(path)
    assert [number for number, _ in workspace.earlier_attempts(key)] == [9, 10]


def test_state_and_events_have_no_secrets(tmp_path: Path) -> None:
    workspace = replace(made(tmp_path), redact=lambda text: text.replace("s3cret", "***"))
    workspace.update_run(steps={"0_setup": {"status": "failed", "started": "now", "error": "key s3cret refused"}})
    workspace.log_event("failed", error="s3cret", levels=["s3cret"], number=3)
    assert workspace.read_run()["steps"]["0_setup"]["error"] == "key *** refused"
    event = json.loads(workspace.events_file.read_text())
    assert (event["event"], event["error"], event["levels"], event["number"]) == ("failed", "***", ["***"], 3)
    assert datetime.fromisoformat(event["time"]).tzinfo is not None


def test_another_folder_and_a_damaged_state_are_run_state_errors(tmp_path: Path) -> None:
    with pytest.raises(RunStateError, match=r"is not a run directory: it has no run\.json"):
        Workspace(tmp_path).read_run()
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(RunStateError, match=r"cannot read the run's state in .*run\.json"):
        Workspace(tmp_path).read_run()


# -- the lock ---------------------------------------------------------------------------------------------------------


def hold(path: Path, held: Event, release: Event) -> None:
    with Workspace(path).locked("step"):
        held.set()
        release.wait(60)


def test_a_lock_keeps_another_process_out_until_its_holder_ends(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    holder = context.Process(target=hold, args=(tmp_path, held, release))
    holder.start()
    assert held.wait(60)
    workspace = Workspace(tmp_path)
    with pytest.raises(RunStateError, match="another process is working on this run"), workspace.locked("step", 0):
        pass
    with workspace.locked("endpoints", 0):
        pass
    holder.kill()
    holder.join()
    with workspace.locked("step", 0):
        pass


# -- its names are spelt here only ------------------------------------------------------------------------------------

ELSEWHERE = {
    "config.yml": {
        "storage/fetch.py",  # a downloaded config without a name of its own
        "report/report_data.py",
    },
    "containers": {"deploy/ec2/platform.py"},
}
"""Literals that are path parts of something else, or still to go."""


def run_names() -> set[str]:
    """Every string in workspace.py that is a file or folder of a run."""
    strings = {
        node.value
        for node in ast.walk(ast.parse(Path(names.__file__).read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    folders = {"notebooks", "prompts", "requests", "metrics", "figures", "logs", "containers", "endpoint_metrics"}
    files = {text for text in strings if re.fullmatch(r"\.?\w[\w-]*\.(json|jsonl|yml|md)", text)}
    assert strings >= folders
    assert files >= {"run.json", "events.jsonl", "endpoints.json", "config.yml", "summary.json", "report.md"}
    return folders | files


def path_literals(tree: ast.AST) -> Iterator[str]:
    """The strings that are parts of a path: operands of `/`, arguments of Path(), with_name() and the like."""
    for node in ast.walk(tree):
        parts: list[ast.expr] = []
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            parts = [node.left, node.right]
        elif isinstance(node, ast.Call):
            called = getattr(node.func, "id", getattr(node.func, "attr", ""))
            parts = node.args if called in ("Path", "with_name", "joinpath", "below", "glob", "rglob") else []
        for part in parts:
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                yield from part.value.split("/")


def spelt(tree: ast.AST, run: set[str]) -> set[str]:
    """The names of a run that a module spells: files anywhere, folders where a path is made."""
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {name for name in run & texts if "." in name} | (run & set(path_literals(tree)))


def test_no_other_module_spells_a_name_of_the_run_directory() -> None:
    run = run_names()
    found = {
        (name, module)
        for path in PACKAGE.rglob("*.py")
        if (module := path.relative_to(PACKAGE).as_posix()) != "workspace.py"
        for name in spelt(ast.parse(path.read_text()), run)
    }
    allowed = {(name, module) for name, modules in ELSEWHERE.items() for module in modules}
    assert found <= allowed, "workspace.py has the names of a run directory"


@pytest.mark.parametrize("code", ['path / "requests"', 'Path("results", "run.json")', 'name == "run.json"'])
def test_the_search_finds_names_in_code(code: str) -> None:
    assert spelt(ast.parse(code), run_names())
