"""The rooms and what each may import, held by the rules in `tests/house/`; and importing a module does nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import fmbench_lib
from tests.house import imports, purity, shape, source

PACKAGE = Path(fmbench_lib.__file__).parent

CONFIG_FACTS = [
    "config/arrival_facts", "config/budget_measures", "config/installed", "config/load_settings", "config/near_files",
    "config/plain_text", "config/platform_rules", "config/platform_types", "config/platforms", "config/precision",
    "config/problems", "config/ray_settings", "config/redactor", "config/repeat_names", "config/secret_escapes",
    "config/secret_forms", "config/secret_names", "config/secret_runs", "config/secret_search",
    "config/secret_spellings", "config/spelling", "config/token_lengths", "config/web_address",
]  # fmt: skip

MAY_IMPORT: dict[str, list[str]] = {
    # Leaves: facts and services that every room may build on.
    "errors": [],
    "images": [],
    "host": ["errors"],
    "host/paths": ["errors"],
    "models": ["errors", "host/paths"],
    "pricing/price_list": ["errors"],
    "fleet": ["errors", "host"],
    # The files of a run.
    "run_state": ["host/facts", "host/process_identity"],
    "workspace": ["errors", "host/atomic_files", "host/disk_space", "host/process_identity", "run_state"],
    # A config: facts of platforms, protocols and arrival processes, then what it may say, how it is read, what ships.
    "config/arrival_facts": ["config/installed"],
    "config/budget_measures": [],
    "config/installed": ["errors"],
    "config/problems": ["config/secret_forms", "errors"],
    "config/secret_forms": ["config/secret_names"],
    "config/secret_names": [],
    "config/secret_escapes": ["config/secret_forms"],
    "config/secret_spellings": ["config/secret_escapes"],
    "config/secret_runs": ["config/secret_escapes"],
    "config/secret_search": [
        "config/secret_escapes", "config/secret_forms", "config/secret_runs", "config/secret_spellings",
    ],
    "config/redactor": ["config/secret_forms", "config/secret_search"],
    "config/spelling": [],
    "config/token_lengths": ["config/spelling"],
    "config/near_files": ["config/spelling"],
    "config/option_parser": ["config/secret_forms", "config/spelling"],
    "config/plain_text": [],
    "config/precision": [],
    "config/repeat_names": [],
    "config/web_address": ["config/plain_text"],
    "config/load_settings": ["config/precision"],
    "config/ray_settings": [],
    "config/platform_types": [],
    "config/platform_rules": ["config/platform_types", "models"],
    "config/platforms": ["config/installed", "config/platform_rules", "config/platform_types", "errors"],
    "config/schema": [*CONFIG_FACTS, "errors", "pricing/price_list"],
    "config/shipped/files": [
        "config/near_files", "config/plain_text", "config/problems", "config/spelling", "host/paths",
    ],
    "config/reading": [*CONFIG_FACTS, "config/schema", "config/shipped/files", "errors"],
    "config/shipped": [*CONFIG_FACTS, "config/reading", "config/schema", "config/shipped/files", "errors"],
    "config": [*CONFIG_FACTS, "config/reading", "config/schema", "config/shipped/files", "errors"],
    # Services that know configs.
    "aws": ["config", "errors"],
    "storage": ["aws", "config", "errors", "host/atomic_files", "models", "run_state", "workspace"],
    "user_scripts": ["config", "errors", "host/paths", "storage"],
    # The rooms that measure, compute and show.
    "predictors": ["aws/signing", "config/schema", "errors", "images"],
    "predictors/plugins": ["config", "errors", "predictors"],
    "predictors/registry": ["aws", "config", "errors", "predictors"],
    "metrics": ["config/budget_measures", "config/repeat_names", "config/spelling", "errors", "pricing/price_list"],
    "data": ["config", "errors", "host", "images", "models", "workspace"],
    "pricing": ["aws", "errors", "host", "pricing/price_list", "workspace"],
    "monitors": ["aws", "errors", "host", "workspace"],
    "deploy": [
        "aws", "config", "errors", "fleet", "host", "models", "predictors", "storage", "user_scripts",
        "workspace",
    ],
    "imports": ["config/installed", "config/repeat_names", "errors", "metrics"],
    "load/levels": ["config", "errors", "workspace"],
    "load/sending": ["aws", "config", "errors", "host", "load/levels", "metrics", "predictors", "user_scripts"],
    "load/recording": ["config", "errors", "host", "load/levels", "load/sending", "metrics", "predictors", "workspace"],
    "load/cluster": [
        "config", "errors", "load/recording", "load/sending", "metrics/level_facts", "predictors",
    ],
    "load": [
        "config", "errors", "host/printable", "load/cluster", "load/levels", "load/recording", "load/sending",
        "metrics", "predictors", "workspace",
    ],
    "report": ["config/budget_measures", "errors", "host/printable", "metrics", "pricing/price_list", "workspace"],
    "emulator": ["config/option_parser", "config/platforms", "errors", "host"],
    "calibration": [
        "config", "emulator", "errors", "host", "load", "metrics", "predictors", "run_state", "workspace",
    ],
    "evaluation": [
        "config", "errors", "host", "images", "load", "metrics", "predictors", "pricing/price_list", "workspace",
    ],
    # A run, its steps, what is shown of it, and what drives them.
    "runs/index": [
        "config/platforms", "errors", "metrics/many_runs", "models/cache", "runs/location", "storage", "workspace",
    ],
    "runs": [
        "aws", "config", "errors", "fleet", "host", "load/recording/spool_cleaning", "run_state", "storage",
        "workspace",
    ],
    "runs/progress": ["host/atomic_files", "host/process_identity", "load/recording", "workspace"],
    "runs/run_status": [
        "host/disk_space", "host/process_identity", "run_state", "runs/machine_status",
        "runs/progress", "runs/run_orders", "workspace",
    ],
    "views": ["host/printable", "metrics", "report/level_order", "report/markdown", "report/numbers", "runs/progress"],
    "steps/losses": ["errors"],
    "steps/step": ["run_state", "runs"],
    "steps/notebook_display": ["errors", "host", "metrics", "report", "runs", "views", "workspace"],
    "steps/run_inputs": [
        "config", "data", "deploy", "errors", "host", "load", "metrics", "models", "predictors", "pricing",
        "report/report_data", "runs", "storage", "workspace",
    ],
    "steps/prompts": [
        "config", "data", "errors", "host", "load", "predictors", "runs", "steps/run_inputs",
    ],
    "steps/endpoints": [
        "config", "deploy", "errors", "load", "predictors", "runs", "steps/run_inputs", "user_scripts", "workspace",
    ],
    "steps/measuring": [
        "config", "data", "deploy", "errors", "host", "load", "metrics", "monitors", "report/report_data", "runs",
        "steps/notebook_display", "steps/run_inputs", "workspace",
    ],
    "steps/judging": [
        "config", "deploy", "errors", "evaluation", "host", "load", "metrics", "predictors", "pricing", "report",
        "runs", "steps/endpoints", "steps/prompts", "steps/run_inputs",
    ],
    "steps/reporting": [
        "config", "deploy", "errors", "host", "imports", "load", "metrics", "pricing", "report", "runs",
        "steps/judging", "steps/losses", "steps/measuring", "steps/prompts", "steps/run_inputs", "workspace",
    ],
    "steps/fleet": [
        "config", "deploy", "errors", "fleet", "host", "load", "metrics", "pricing", "runs", "steps/analysis",
        "steps/cleanup", "steps/data_generation", "steps/endpoints", "steps/inference", "steps/plan",
        "steps/run_inputs", "steps/setup", "steps/step", "workspace",
    ],
    "steps": [
        "calibration", "config", "data", "deploy", "errors", "evaluation", "host", "imports", "load", "metrics",
        "predictors", "pricing", "report", "run_state", "runs", "steps/endpoints", "steps/judging", "steps/losses",
        "steps/measuring", "steps/notebook_display", "steps/prompts", "steps/reporting", "steps/run_inputs",
        "steps/step", "storage", "user_scripts", "workspace",
    ],
    "pipeline": [
        "config", "errors", "host/atomic_files", "host/disk_space", "host/memory_limits", "host/parent_death",
        "host/process_identity", "run_state", "runs", "workspace",
    ],
    "cli": [
        "calibration", "config", "emulator", "errors", "fleet", "host/atomic_files", "host/disk_space",
        "host/memory_limits", "host/printable", "imports", "metrics/comparison", "metrics/decision/brief",
        "metrics/many_runs", "metrics/measuring_again", "metrics/missing", "metrics/sizing", "pipeline",
        "report/comparison", "report/exports", "report/level_order", "report/sizing", "report/stored_summary", "runs",
        "steps", "storage", "views",
        "workspace",  # what still runs is said without the second that importing steps takes
    ],
    "__main__": ["cli"],
}  # fmt: skip
"""For each room, what it may import beside itself: a module, or a folder with all that is below it."""

PURE = ["metrics", "predictors", "pricing/price_list", "images", "errors"]
RIM = ["predictors/registry", "predictors/plugins"]
"""Modules of pure rooms that look things up on this machine: entry points, files, addresses."""

SHARED_BY_PLATFORMS = ["neuron"]
"""Folders in `deploy/` that are no platform's."""


def test_a_room_imports_only_what_it_may() -> None:
    assert imports.forbidden_imports(PACKAGE, MAY_IMPORT) == []


def test_the_table_names_nothing_that_is_gone() -> None:
    assert imports.empty_rooms(PACKAGE, MAY_IMPORT) == []


def test_rooms_import_each_other_without_a_circle() -> None:
    assert imports.room_cycles(PACKAGE, MAY_IMPORT) == []


def test_no_platform_is_imported_by_another_room_or_platform() -> None:
    assert imports.platform_imports(PACKAGE, SHARED_BY_PLATFORMS) == []


def test_pure_rooms_touch_no_files_network_environment_or_clock() -> None:
    assert purity.impure_calls(PACKAGE, PURE, RIM) == []


def test_no_two_modules_have_one_name() -> None:
    assert shape.names_used_twice(PACKAGE) == []


def test_functions_are_short() -> None:
    assert shape.long_functions(PACKAGE) == []


def test_files_are_short_or_say_why_not() -> None:
    assert shape.long_files(PACKAGE) == []


def test_every_public_function_has_a_docstring() -> None:
    assert shape.undocumented_functions(PACKAGE) == []


def test_logic_is_in_modules_that_are_named_for_it() -> None:
    assert shape.logic_in_init(PACKAGE) == []


def test_load_workers_need_the_standard_library_alone() -> None:
    assert imports.third_party_imports(PACKAGE, "load/sending/worker") == []


def test_the_engine_needs_numpy_alone() -> None:
    assert imports.third_party_imports(PACKAGE, "load/sending/engine", ["numpy"]) == []


def test_the_worker_starts_without_installed_packages() -> None:
    code = (
        "import sys\nimport fmbench_lib.load.sending.worker\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} - sys.stdlib_module_names - {'__main__'}))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent, check=False
    )
    assert done.stdout == "['fmbench_lib']\n", done.stderr


def test_importing_everything_prints_nothing_and_loads_nothing_heavy() -> None:
    names = [
        f"fmbench_lib.{module.name}".replace("/", ".").removesuffix(".__init__")
        for module in source.modules(PACKAGE)
        if module.stem != "__main__"
    ]
    heavy = [
        "xllamacpp", "gguf", "transformers", "datasets", "torch", "boto3", "botocore", "sagemaker",
        "matplotlib", "seaborn", "ray", "papermill", "scrapbook", "nbformat", "kubernetes", "docker", "duckdb",
    ]  # fmt: skip
    code = (
        f"import sys\nfor name in {names}: __import__(name)\nprint([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")
