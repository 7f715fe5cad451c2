"""The packages that are declared are those that are imported: nothing is missing, and nothing is unused."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import setuptools

import fmbench_lib

PACKAGE = Path(fmbench_lib.__file__).parent
SETUP = PACKAGE.parent / "setup.py"

NAMES = {
    "huggingface-hub": "huggingface_hub",
    "ipython": "IPython",
    "jupyter-client": "jupyter_client",
    "mlflow-skinny": "mlflow",
    "nvidia-ml-py": "pynvml",
    "opentelemetry-exporter-otlp-proto-http": "opentelemetry",
    "prometheus-client": "prometheus_client",
    "pillow": "PIL",
    "rouge-score": "rouge_score",
    "pyyaml": "yaml",
}
"""What a package is imported as, where that is not its name."""

COMES_WITH = {
    "botocore": "boto3",
    "pydantic_core": "pydantic",
    "referencing": "jsonschema",
    "requests": "docker",
    "urllib3": "docker kubernetes",
}
"""Imported packages that a declared one brings and whose version it chooses."""

ELSEWHERE = {
    "djl_python": "deploy/ec2/stacks/djl_in_triton.py",
    "triton_python_backend_utils": "deploy/ec2/stacks/djl_in_triton.py",
    "transformers_neuronx": "deploy/neuron/compiler_program.py",
    "transformers": "deploy/neuron/compiler_program.py",
    "sentence_transformers": "evaluation/asking/embedding.py",
}
"""Packages of serving containers, imported by the programs that run in them, and one of gigabytes, which is used where
it is installed."""

ROOMS = {
    "xllamacpp": "deploy/local",
    "docker": "deploy/ec2",
    "requests": "deploy/ec2",
    "urllib3": "deploy/ec2 deploy/eks",
    "pynvml": "deploy/ec2 monitors",
    "kubernetes": "deploy/eks",
    "mlflow": "steps",
    "opentelemetry": "steps",
    "ray": "load/cluster",
    "sagemaker": "deploy/sagemaker",
    "transformers": "data",
    "datasets": "data",
    "jsonschema": "evaluation",
    "referencing": "evaluation",
    "rapidfuzz": "evaluation",
    "rouge_score": "evaluation",
    "sacrebleu": "evaluation",
}
"""The rooms that may import what only an extra installs."""

NOT_IMPORTED = {
    "skypilot": "its command `sky` is called, in whichever environment it is installed",
    "jupyterlab": "opens the notebooks; it is a program",
    "protobuf": "transformers imports it to read SentencePiece models",
    "sentencepiece": "transformers imports it to read SentencePiece models",
    "tiktoken": "transformers imports it to read tiktoken's vocabularies",
    "six": "scrapbook imports it without declaring it",
    "scrapbook": "the notebooks glue their results with it",
    "seaborn": "draws the statistical pictures",
}
"""Declared packages that the package itself need not import, and why they are there."""

TESTS_AND_TOOLS = "dev"


@pytest.fixture(scope="module")
def declared() -> dict[str, set[str]]:
    """The names of the packages that setup.py declares: under "" the base, else by extra."""
    given: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setuptools, "setup", lambda **options: given.update(options))
        exec(compile(SETUP.read_text(), str(SETUP), "exec"), {"__file__": str(SETUP), "__name__": "setup"})
    lists = {"": given["install_requires"], **given["extras_require"]}
    return {extra: {package_name(line) for line in lines} for extra, lines in lists.items()}


def package_name(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match is not None
    return match[0].lower()


def import_names(packages: set[str]) -> set[str]:
    return {NAMES.get(package, package) for package in packages}


def imports() -> Iterator[tuple[str, str]]:
    """Each module that imports a third-party package, as a path in the package, and the package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        module = path.relative_to(PACKAGE).as_posix()
        for node in ast.walk(ast.parse(path.read_text())):
            for name in imported_names(node):
                top = name.partition(".")[0]
                if top not in sys.stdlib_module_names and top != "fmbench_lib" and ELSEWHERE.get(top) != module:
                    yield module, top


def imported_names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [node.module]
    is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "import_module"
    if is_call and isinstance(node.args[0], ast.Constant):
        return [node.args[0].value]
    return []


def test_every_import_is_declared(declared: dict[str, set[str]]) -> None:
    base = import_names(declared[""])
    extras = set().union(*(import_names(packages) for extra, packages in declared.items() if extra != TESTS_AND_TOOLS))
    base |= {name for name, parents in COMES_WITH.items() if set(parents.split()) & base}
    extras |= {name for name, parents in COMES_WITH.items() if set(parents.split()) & extras}
    for module, name in imports():
        if name in base:
            continue
        assert name in extras, f"{module} imports {name}, which setup.py does not declare"
        allowed = ROOMS.get(name, "").split()
        assert any(module.startswith(f"{room}/") for room in allowed), f"{module} imports {name}, which is an extra's"


def test_every_declared_package_is_imported_or_has_a_reason(declared: dict[str, set[str]]) -> None:
    imported = {name for _, name in imports()}
    packages = set().union(*(names for extra, names in declared.items() if extra != TESTS_AND_TOOLS))
    unused = {name for name in packages if NAMES.get(name, name) not in imported} - NOT_IMPORTED.keys()
    assert not unused, f"declared in setup.py and never imported: {sorted(unused)}"


def test_the_reasons_are_for_packages_that_are_declared(declared: dict[str, set[str]]) -> None:
    packages = set().union(*declared.values())
    assert packages >= NOT_IMPORTED.keys()
    assert packages >= NAMES.keys()


def test_all_has_every_extra_but_the_tools(declared: dict[str, set[str]]) -> None:
    parts = {extra: names for extra, names in declared.items() if extra not in ("", "all", TESTS_AND_TOOLS)}
    assert declared["all"] == set().union(*parts.values())
    assert parts.keys() >= {"notebook", "local", "sagemaker", "ec2", "eks", "transformers", "datasets"}


def test_former_names_of_extras_still_install(declared: dict[str, set[str]]) -> None:
    assert declared["jumpstart"] == declared["sagemaker"]
    assert declared["bedrock"] == set()


def test_every_extra_that_is_named_exists(declared: dict[str, set[str]]) -> None:
    """In messages, docs and configs: `pip install 'fmbench-lib[x]'` must not end in a warning."""
    root = PACKAGE.parent
    files = [*PACKAGE.rglob("*.py"), *(root / "docs").rglob("*.md"), *(root / "configs").rglob("*.yml")]
    files += [root / "README.md", root / "CONTRIBUTING.md", *(root / "cloudformation").rglob("*")]
    named = {
        (extra, str(path.relative_to(root)))
        for path in files
        if path.is_file()
        for extras in re.findall(r"fmbench-lib\[([\w,]+)\]", path.read_text(encoding="utf-8"))
        for extra in extras.split(",")
    }
    unknown = {(extra, path) for extra, path in named if extra not in declared and extra != "x"}
    assert not unknown
    assert {extra for extra, _ in named} >= {"local", "ec2", "eks", "transformers", "datasets"}


def test_files_that_are_no_modules_are_declared_as_data() -> None:
    """Else they would be missing in a wheel."""
    given: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setuptools, "setup", lambda **options: given.update(options))
        exec(compile(SETUP.read_text(), str(SETUP), "exec"), {"__file__": str(SETUP), "__name__": "setup"})
    declared_files = {path for pattern in given["package_data"]["fmbench_lib"] for path in PACKAGE.glob(pattern)}
    files = {path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    assert files - declared_files == set()
