"""Each rule of the layout fails on a small package that breaks it, and passes once that is mended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.house import imports, purity, shape
from tests.test_architecture import MAY_IMPORT, PURE, RIM, SHARED_BY_PLATFORMS

Tree = Callable[[dict[str, str]], Path]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Writes a package called fmbench_lib of these modules, with an `__init__` in each of its folders."""

    def write(files: dict[str, str]) -> Path:
        package = tmp_path / "fmbench_lib"
        for name, text in files.items():
            path = package / f"{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        for folder in [package, *(path for path in package.rglob("*") if path.is_dir())]:
            (folder / "__init__.py").touch()
        return package

    return write


def importing(name: str) -> str:
    return f"from fmbench_lib.{name} import thing\n"


# -- imports ---------------------------------------------------------------------------------------------------------

UPWARDS = [
    ("errors", "workspace"),
    ("aws/calls", "storage.bucket"),
    ("config/platforms", "config.schema.experiment"),
    ("config/schema/experiment", "config.reading.loading"),
    ("config/reading/loading", "config.shipped.requirements"),
    ("config/reading/checks", "aws.session"),
    ("predictors/openai", "predictors.registry"),
    ("predictors/openai", "load.sending.engine"),
    ("metrics/level_row", "load.recording.records"),
    ("metrics/prices", "pricing.price_files"),
    ("data/prompts", "load.levels.deal"),
    ("monitors/host", "steps.measuring.monitoring"),
    ("deploy/probe", "load.sending.engine"),
    ("deploy/ec2/docker", "steps.deployment"),
    ("load/levels/deal", "load.sending.layout"),
    ("load/levels/deal", "load.recording.records"),
    ("load/sending/engine", "load.recording.recorder"),
    ("load/sending/engine", "deploy.platform"),
    ("load/measure", "report.document"),
    ("report/document", "steps.analysis"),
    ("report/document", "load.recording.records"),
    ("calibration/measurement", "report.document"),
    ("calibration/measurement", "deploy.platform"),
    ("runs/run", "steps.setup"),
    ("steps/setup", "pipeline.notebooks"),
    ("steps/setup", "cli.terminal"),
    ("pipeline/notebooks", "steps.setup"),
    ("cli/commands", "metrics.decision"),
    ("cli/commands", "deploy.platform"),
]


@pytest.mark.parametrize(("module", "imported"), UPWARDS, ids=lambda name: name.replace("/", "."))
def test_an_import_against_the_table_is_found(module: str, imported: str, tree: Tree) -> None:
    package = tree({module: importing(imported), imported.replace(".", "/"): "thing = 1\n"})
    (line,) = imports.forbidden_imports(package, MAY_IMPORT)
    assert line.startswith(f"{module} imports {imported.replace('.', '/')}: not allowed")


@pytest.mark.parametrize("room", sorted(set(MAY_IMPORT) - {"calibration", "cli", "emulator"}))
def test_only_calibration_and_the_command_line_may_import_the_emulator(room: str, tree: Tree) -> None:
    package = tree({f"{room}/module": importing("emulator.server"), "emulator/server": "thing = 1\n"})
    assert len(imports.forbidden_imports(package, MAY_IMPORT)) == 1
    assert all("emulator" in MAY_IMPORT[allowed] for allowed in ("calibration", "cli"))


@pytest.mark.parametrize(
    "statement",
    [
        "from fmbench_lib.steps.setup import thing",
        "from fmbench_lib.steps import setup",
        "import fmbench_lib.steps.setup",
        "import fmbench_lib.steps.setup as other",
        "def function():\n    from fmbench_lib.steps.setup import thing",
        "if TYPE_CHECKING:\n    from fmbench_lib.steps.setup import thing",
    ],
)
def test_every_form_of_an_import_counts(statement: str, tree: Tree) -> None:
    package = tree({"metrics/level_row": f"{statement}\n", "steps/setup": "thing = 1\n"})
    assert imports.forbidden_imports(package, MAY_IMPORT) == [
        "metrics/level_row imports steps/setup: not allowed for metrics"
    ]


def test_a_room_that_is_not_in_the_table_is_found(tree: Tree) -> None:
    package = tree({"helpers/things": importing("errors"), "errors": "thing = 1\n"})
    assert imports.forbidden_imports(package, MAY_IMPORT) == ["helpers/things is in no room: add a row for it"]


def test_a_row_for_a_room_that_is_gone_is_found(tree: Tree) -> None:
    package = tree({"errors": "", "metrics/level_row": ""})
    table = {"errors": [], "metrics": ["errors", "prices"], "weights": []}
    assert imports.empty_rooms(package, table) == ["row weights: no such module", "entry prices: no such module"]


def test_rooms_in_a_circle_are_found(tree: Tree) -> None:
    table = {"aws": ["storage"], "storage": ["models"], "models": ["aws"]}
    files = {"aws/a": importing("storage.b"), "storage/b": importing("models.c"), "models/c": importing("aws.a")}
    package = tree(files)
    assert imports.forbidden_imports(package, table) == []
    assert imports.room_cycles(package, table) == ["aws -> storage -> models -> aws"]
    (package / "models" / "c.py").write_text("thing = 1\n")
    assert imports.room_cycles(package, table) == []


def test_a_platform_that_imports_another_is_found(tree: Tree) -> None:
    files = {
        "deploy/ec2/platform": importing("deploy.neuron.compile"),
        "deploy/eks/platform": importing("deploy.ec2.platform"),
        "deploy/probe": importing("deploy.ec2.platform") + importing("deploy.neuron.compile"),
        "deploy/neuron/compile": importing("deploy.probe") + importing("deploy.eks.platform"),
        "steps/deployment": importing("deploy.eks.platform"),
    }
    assert imports.platform_imports(tree(files), SHARED_BY_PLATFORMS) == [
        "deploy/eks/platform imports deploy/ec2/platform: a platform's folder",
        "deploy/neuron/compile imports deploy/eks/platform: a platform's folder",
        "deploy/probe imports deploy/ec2/platform: a platform's folder",
        "deploy/probe imports deploy/neuron/compile: only platforms may",
        "steps/deployment imports deploy/eks/platform: a platform's folder",
    ]


def test_an_installed_package_that_the_worker_would_load_is_found(tree: Tree) -> None:
    files = {
        "load/sending/worker": "import json\nfrom fmbench_lib.load.sending.spool import thing\n",
        "load/sending/spool": "import numpy as np\n",
        "load/sending/__init__": "import pydantic\n",
    }
    package = tree(files)
    assert imports.third_party_imports(package, "load/sending/worker") == [
        "load/sending/__init__ imports pydantic",
        "load/sending/spool imports numpy",
    ]
    (package / "load/sending/__init__.py").write_text("")
    lazy = "if TYPE_CHECKING:\n    import numpy\ndef function():\n    import numpy\n"
    (package / "load/sending/spool.py").write_text(lazy)
    assert imports.third_party_imports(package, "load/sending/worker") == []


# -- purity ----------------------------------------------------------------------------------------------------------

IMPURE = [
    ("import os\nx = os.environ['HOME']\n", "os.environ"),
    ("from os import environ as e\nx = e['HOME']\n", "os.environ"),
    ("import os\ndef f():\n    return os.getenv('HOME')\n", "os.getenv"),
    ("def f(name):\n    with open(name) as file:\n        return file.read()\n", "open"),
    ("from pathlib import Path\nx = Path('a').read_text()\n", ".read_text()"),
    ("def f(path):\n    return path.read_bytes()\n", ".read_bytes()"),
    ("def f(path):\n    return path.open('rb')\n", ".open()"),
    ("def f(path):\n    return path.exists()\n", ".exists()"),
    ("from pathlib import Path\nx = Path.home()\n", "pathlib.Path.home"),
    ("import time\nx = time.time()\n", "time.time"),
    ("from time import monotonic as now\nx = now()\n", "time.monotonic"),
    ("from datetime import datetime\nx = datetime.now()\n", "datetime.datetime.now"),
    ("import socket\nx = socket.socket()\n", "socket.socket"),
    ("from urllib import request\nx = request.urlopen('http://h')\n", "urllib.request.urlopen"),
    ("import subprocess as s\nx = s.run(['ls'])\n", "subprocess.run"),
    ("def f(spec, module):\n    spec.loader.exec_module(module)\n", ".exec_module()"),
    ("import importlib\nx = importlib.import_module('a')\n", "importlib.import_module"),
    ("x = exec('1')\n", "exec"),
    ("print('x')\n", "print"),
    ("import random\nx = random.random()\n", "random.random"),
    ("import random\nx = random.Random()\n", "random.Random()"),
    ("import numpy as np\nx = np.random.default_rng()\n", "numpy.random.default_rng()"),
    ("import numpy as np\nx = np.random.normal()\n", "numpy.random.normal"),
    ("import pandas as pd\nx = pd.read_csv('a.csv')\n", "pandas.read_csv"),
    ("def f(frame):\n    frame.to_csv('a.csv')\n", ".to_csv()"),
]


@pytest.mark.parametrize(("text", "name"), IMPURE, ids=[name for _, name in IMPURE])
@pytest.mark.parametrize("module", ["metrics/level_row", "predictors/openai"])
def test_what_reaches_outside_a_pure_room_is_found(module: str, text: str, name: str, tree: Tree) -> None:
    uses = [line.split(" uses ")[1] for line in purity.impure_calls(tree({module: text}), PURE, RIM)]
    assert name in uses


def test_the_rim_may_look_around(tree: Tree) -> None:
    package = tree(
        {"predictors/registry": "import os\nx = os.environ\n", "load/measure": "import time\nx = time.time()\n"}
    )
    assert purity.impure_calls(package, PURE, RIM) == []


@pytest.mark.parametrize(
    "text",
    [
        "import random\nx = random.Random(1).random()\n",
        "import numpy as np\nx = np.random.default_rng(1)\ndef f(g: np.random.Generator): ...\n",
        "import os.path\nx = os.path.basename('a/b')\n",
        "from datetime import datetime\nx = datetime.fromisoformat('2026-01-01')\n",
        "from urllib.parse import urlsplit\nx = urlsplit('http://h')\n",
        "def f(time):\n    return time.time\n",
    ],
)
def test_what_gives_the_same_answer_each_time_is_pure(text: str, tree: Tree) -> None:
    assert purity.impure_calls(tree({"metrics/level_row": text}), PURE, RIM) == []


# -- names, sizes, docstrings ----------------------------------------------------------------------------------------


def test_two_modules_of_one_name_are_found(tree: Tree) -> None:
    files = {
        **dict.fromkeys(["deploy/ec2/platform", "deploy/eks/platform", "load/base", "predictors/base"], ""),
        **dict.fromkeys(["predictors/openai", "emulator/wires/openai"], ""),
        **dict.fromkeys(["config/sections", "report/sections"], ""),
        **dict.fromkeys(["predictors/triton", "emulator/wires/triton", "deploy/triton"], ""),
    }
    assert shape.names_used_twice(tree(files)) == [
        "sections: config/sections, report/sections",
        "triton: deploy/triton, emulator/wires/triton, predictors/triton",
    ]


def function_of(lines: int, docstring: int = 0) -> str:
    """A function of so many lines from `def` to its end, and a docstring of so many beside."""
    said = '    """\n' + "    so\n" * (docstring - 2) + '    """\n' if docstring else ""
    return "def function():\n" + said + "    x = 1\n" * (lines - 1)


def test_a_function_that_is_too_long_is_found(tree: Tree) -> None:
    files = {"a/at_most": function_of(50, docstring=20), "a/over": function_of(51), "b/method": ""}
    files["b/method"] = "class C:\n" + "".join(f"    {line}\n" for line in function_of(52).splitlines())
    assert shape.long_functions(tree(files)) == ["a/over:function has 51 lines", "b/method:function has 52 lines"]


def test_a_file_that_is_too_long_is_found_unless_it_says_why(tree: Tree) -> None:
    files = {
        "a/at_most": "x = 1\n" * 350,
        "a/over": "x = 1\n" * 351,
        "a/reasoned": '"""Tables.\n\nOne file because they are one table.\n"""\n' + "x = 1\n" * 351,
    }
    assert shape.long_files(tree(files)) == ["a/over has 351 lines"]


def test_a_public_function_without_a_docstring_is_found(tree: Tree) -> None:
    text = '''
def documented():
    """It is."""
    def inner(): ...
def bare(): ...
def _private(): ...
class C:
    def bare(self): ...
    def __eq__(self, other): ...
class _C:
    def bare(self): ...
'''
    assert shape.undocumented_functions(tree({"a/b": text})) == ["a/b:bare", "a/b:C.bare"]


def test_a_method_is_documented_by_the_class_that_it_is_written_for(tree: Tree) -> None:
    files = {
        "a/base": 'class Predictor(Protocol):\n    def encode(self):\n        """Request of a prompt."""\n',
        "a/shape": 'class Shape(Generic[T]):\n    def area(self):\n        """In m²."""\n    def name(self): ...\n',
        "b/codec": "class Codec:\n    def encode(self): ...\n",
        "b/square": "class Rectangle(shape.Shape[int]): ...\nclass Square(Rectangle):\n    def area(self): ...\n",
        "b/other": "class Circle:\n    def area(self): ...\n",
    }
    assert shape.undocumented_functions(tree(files)) == ["a/shape:Shape.name", "b/other:Circle.area"]


def test_logic_in_the_file_of_a_folder_is_found(tree: Tree) -> None:
    package = tree({"deploy/stacks/__init__": "from a import b\nX = [b]\ndef chosen(): ...\nclass Stack: ...\n"})
    assert shape.logic_in_init(package) == [
        "deploy/stacks/__init__ defines chosen",
        "deploy/stacks/__init__ defines Stack",
    ]
