"""Executed notebooks without the secrets that their outputs may repeat."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fmbench_lib.errors import DiskFullError
from fmbench_lib.host.atomic_files import each_text, write_text


def remove_secrets(path: Path, without: Callable[[str], str]) -> None:
    """Apply `without`, which removes secrets from a text, to every string of an executed notebook.

    A notebook that is not valid JSON, because its writing was cut off, is cleaned as plain text.
    """
    import nbformat

    text = path.read_text(encoding="utf-8") if path.exists() else ""
    try:
        notebook = nbformat.reads(text, as_version=nbformat.NO_CONVERT)
    except nbformat.reader.NotJSONError:
        clean = without(text)
    else:
        changed = nbformat.from_dict(each_text(notebook, without))
        clean = text if changed == notebook else nbformat.writes(changed, version=nbformat.NO_CONVERT)
    if clean == text:
        return
    try:
        write_text(path, clean)
    except (OSError, DiskFullError):  # no notebook is better than one with secrets, and gives its room to the clean one
        path.unlink(missing_ok=True)
        write_text(path, clean)
