"""The Hugging Face token for gated models: from the environment, or from a file that the config names."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from fmbench_lib.errors import InputError

TOKEN_FILE = "hf_token.txt"
VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
"""The variables that serving containers read it from: the current name, and the one older containers know."""


def hf_token(script_files: Sequence[str], folders: Sequence[Path], scripts_prefix: str = "scripts") -> str | None:
    """The token, None where there is none. The environment takes precedence.

    Otherwise it is read from the file that `script_files` names, in the first of `folders` (or their `scripts_prefix`)
    that has it. An empty file is no token: configs name the file whether they need one or not. Raises InputError for a
    file with something else in it; the token never appears in a message.
    """
    for name in VARIABLES:
        if os.environ.get(name):
            return os.environ[name].strip()
    token_files = [Path(name) for name in script_files if Path(name).name == TOKEN_FILE]
    for path in (
        folder / subfolder / name for name in token_files for folder in folders for subfolder in ("", scripts_prefix)
    ):
        if path.is_file():
            return token_in(path.read_text(encoding="utf-8"), str(path))
    return None


def token_in(text: str, where: str) -> str | None:
    """The token in a file's text, None in an empty one. Raises InputError for other text, without quoting it."""
    token = text.strip()
    if not token:
        return None
    if any(character.isspace() for character in token):
        raise InputError(f"{where} does not contain a Hugging Face token; write only the token, or set {VARIABLES[0]}")
    return token


def with_token(environment: Mapping[str, str], token: str | None) -> dict[str, str]:
    """A container's environment with the token added; a token that the config sets itself is kept."""
    if token is None:
        return dict(environment)
    return {**dict.fromkeys(VARIABLES, token), **environment}
