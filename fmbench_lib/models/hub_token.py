"""The Hugging Face token that gated models need: from the environment, or from a file that the config names."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from fmbench_lib.errors import InputError

TOKEN_FILE = "hf_token.txt"
VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
"""Where a serving container looks for it; the first is the present name, older containers know the second."""


def hf_token(script_files: Sequence[str], folders: Sequence[Path], scripts_prefix: str = "scripts") -> str | None:
    """The token, None where there is none. The environment comes first.

    The file is read where `script_files` names it, from the first of `folders` (or their `scripts_prefix`) that has
    it. Raises InputError for a file that is empty; the token itself is in no message.
    """
    for name in VARIABLES:
        if os.environ.get(name):
            return os.environ[name].strip()
    named = [Path(name) for name in script_files if Path(name).name == TOKEN_FILE]
    for path in (folder / place / name for name in named for folder in folders for place in ("", scripts_prefix)):
        if path.is_file():
            return token_in(path.read_text(encoding="utf-8"), str(path))
    return None


def token_in(text: str, where: str) -> str:
    """The token that a file holds; raises InputError for a file that holds none, without quoting it."""
    token = text.strip()
    if not token or any(character.isspace() for character in token):
        raise InputError(f"{where}: holds no Hugging Face token; write the token alone, or set {VARIABLES[0]}")
    return token


def with_token(environment: Mapping[str, str], token: str | None) -> dict[str, str]:
    """A container's environment with the token in it; one that the config gives itself stands."""
    if token is None:
        return dict(environment)
    return {**dict.fromkeys(VARIABLES, token), **environment}
