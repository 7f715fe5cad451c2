"""What the outputs of an executed notebook are made of, by MIME type."""

from __future__ import annotations

import json
from typing import Any

import nbformat

SCRAP = "application/scrapbook.scrap."
RICH = {"text/html", "text/markdown", "image/png"}


def bundles_of(notebook: nbformat.NotebookNode) -> list[dict[str, Any]]:
    """The MIME bundles that a reader sees; a recorded result (a scrap) is for programs and shown by none."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    bundles = [dict(output.data) for output in outputs if output.output_type in ("display_data", "execute_result")]
    return [bundle for bundle in bundles if not all(mime.startswith(SCRAP) for mime in bundle)]


def unshowable(notebook: nbformat.NotebookNode) -> list[str]:
    """What a frontend could not show: a bundle without text, of a type that needs an extension, or with a script."""
    wrong = []
    for bundle in bundles_of(notebook):
        others = set(bundle) - RICH - {"text/plain"}
        if "text/plain" not in bundle or others:
            wrong.append(f"only {sorted(bundle)}")
        if "<script" in json.dumps(bundle).lower():
            wrong.append(f"a script in {sorted(bundle)}")
    return wrong
