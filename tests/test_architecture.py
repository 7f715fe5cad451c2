"""The rooms and what each may know: imports go one way, and importing does nothing."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import fmbench_lib

PACKAGE = Path(fmbench_lib.__file__).parent
LEAVES = {
    "errors", "config", "workspace", "weights", "aws", "images", "claims", "scripts", "storage", "kept", "surroundings",
    "price_list",
}  # fmt: skip
MAY_IMPORT = {
    "errors": set(),
    "config": {"errors", "weights", "price_list"},
    "workspace": {"errors"},
    "weights": {"errors"},
    "price_list": {"errors"},
    "aws": {"errors"},
    "claims": set(),
    "surroundings": {"errors", "aws", "config", "storage"},
    "images": set(),
    "scripts": {"errors", "config", "storage"},
    "storage": {"errors", "config", "workspace", "weights", "aws"},
    "kept": {"errors", "config", "workspace", "storage"},
    "predictors": LEAVES,
    "metrics": {"errors", "price_list"},
    "data": LEAVES,
    "pricing": LEAVES,
    "deploy": LEAVES | {"predictors"},
    "load": LEAVES | {"predictors", "metrics"},
    "monitors": LEAVES,
    "report": LEAVES | {"metrics"},
    "emulator": LEAVES,
    "run": LEAVES,
    "live": LEAVES | {"load"},
    "steps": LEAVES
    | {"run", "live", "data", "deploy", "predictors", "load", "metrics", "monitors", "pricing", "report", "emulator"},
    "kernels": set(),
    "pipeline": LEAVES | {"run", "kernels"},
    "display": LEAVES | {"run", "live"},
    "cli": LEAVES | {"run", "display", "pipeline", "steps", "deploy", "emulator"},
    "cli_reference": {"cli"},
    "__main__": {"cli"},
}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module == "fmbench_lib":
            names = [f"fmbench_lib.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        rooms |= {name.split(".")[1] for name in names if name.startswith("fmbench_lib.")}
    return rooms - {"__version__"}


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py" or path.parent != PACKAGE)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_what_its_room_may_know(path: Path) -> None:
    room = room_of(path)
    assert imported_rooms(path) - {room} <= MAY_IMPORT[room]


@pytest.mark.parametrize("room", ["metrics", "predictors"])
def test_pure_rooms_touch_no_files_network_or_clock(room: str) -> None:
    impure = {"socket", "http", "urllib.request", "requests", "time", "subprocess", "shutil", "tempfile", "pathlib"}
    for path in (PACKAGE / room).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert not impure & {alias.name for alias in node.names}, path
            if isinstance(node, ast.ImportFrom):
                assert node.module not in impure, path


def test_importing_everything_prints_nothing_and_loads_nothing_heavy() -> None:
    names = [
        ".".join(("fmbench_lib", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
        for path in MODULES
        if path.name != "__main__.py"
    ]
    heavy = [
        "xllamacpp",
        "gguf",
        "transformers",
        "torch",
        "boto3",
        "botocore",
        "plotly",
        "matplotlib",
        "ray",
        "papermill",
        "kubernetes",
    ]
    code = (
        f"import sys\nfor name in {names}: __import__(name)\nprint([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")


def test_the_worker_starts_with_the_standard_library_alone() -> None:
    code = (
        "import sys\nimport fmbench_lib.load.sending.worker\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} - sys.stdlib_module_names - {'__main__'}))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent, check=False
    )
    assert done.stdout == "['fmbench_lib']\n", done.stderr
