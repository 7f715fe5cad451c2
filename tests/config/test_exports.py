"""`fmbench_lib.config` gives its public names, and imports them only when they are used."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fmbench_lib import config


@pytest.mark.parametrize("name", config.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(config, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        config.Nothing  # noqa: B018


@pytest.mark.parametrize(
    "module", ["config.platforms", "config.schema.json_path", "deploy.platform", "predictors.openai"]
)
def test_what_needs_no_schema_imports_no_pydantic(module: str) -> None:
    code = f"import sys, fmbench_lib.{module}; print('pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
