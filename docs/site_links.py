"""A hook of mkdocs: links to files of the project outside docs/, which the site does not hold.

With FMBENCH_REPOSITORY, the address of the project's files (`https://host/owner/name/blob/main`), they lead there;
without it only their text is left, as a link that leads nowhere is worse than none.
"""

from __future__ import annotations

import os
import posixpath
import re
from typing import Any

_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((\.\.?/[^)\s]+)\)")


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """The page's text with its links out of docs/ replaced."""
    folder = posixpath.join("docs", posixpath.dirname(page.file.src_uri))
    return with_links(markdown, folder, os.environ.get("FMBENCH_REPOSITORY", ""))


def with_links(markdown: str, folder: str, repository: str) -> str:
    """Text of a page in a folder of the project; `repository` is the address of the project's files, "" for none."""

    def replaced(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, match[2]))
        if target.startswith("docs/"):
            return match[0]
        return f"[{match[1]}]({repository.rstrip('/')}/{target})" if repository else match[1]

    return _LINK.sub(replaced, markdown)
