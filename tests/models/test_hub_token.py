"""The Hugging Face token: where it is looked for, and that it appears in no message."""

from __future__ import annotations

from pathlib import Path

import pytest

from fmbench_lib.errors import InputError
from fmbench_lib.models.hub_token import hf_token, with_token


@pytest.fixture(autouse=True)
def none_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def test_the_environment_takes_precedence_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "hf_token.txt").write_text("hf_from_file\n")
    assert hf_token(["hf_token.txt"], [tmp_path]) == "hf_from_file"
    assert hf_token([], [tmp_path]) is None
    monkeypatch.setenv("HUGGING_FACE_HUB_TOKEN", "hf_older_name")
    assert hf_token(["hf_token.txt"], [tmp_path]) == "hf_older_name"
    monkeypatch.setenv("HF_TOKEN", "hf_from_environment")
    assert hf_token(["hf_token.txt"], [tmp_path]) == "hf_from_environment"


@pytest.mark.parametrize("content", ["hf_secret and more", "hf_secret\nhf_other"])
def test_a_file_without_a_token_is_an_error_that_does_not_quote_it(content: str, tmp_path: Path) -> None:
    (tmp_path / "hf_token.txt").write_text(content)
    with pytest.raises(InputError, match="does not contain a Hugging Face token") as failed:
        hf_token(["hf_token.txt"], [tmp_path])
    assert "hf_secret" not in str(failed.value)


@pytest.mark.parametrize("content", ["", " \n"])
def test_an_empty_file_is_no_token(content: str, tmp_path: Path) -> None:
    (tmp_path / "hf_token.txt").write_text(content)
    assert hf_token(["hf_token.txt"], [tmp_path]) is None


def test_a_container_gets_both_variables_unless_the_config_sets_them() -> None:
    assert with_token({"A": "b"}, None) == {"A": "b"}
    assert with_token({"HF_TOKEN": "own"}, "hf_x") == {"HF_TOKEN": "own", "HUGGING_FACE_HUB_TOKEN": "hf_x"}
