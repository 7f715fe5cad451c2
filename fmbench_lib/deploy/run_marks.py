"""The name and the tags of what a run creates on AWS, by which it is told from what happens to be called the same."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping

from fmbench_lib.errors import ForbiddenError

RUN_TAG = "fmbench:run-id"
EXPERIMENT_TAG = "fmbench:experiment"
_LONGEST_NAME = 63


def fresh_name(run_id: str, stem: str = "") -> str:
    """A name that nothing else has, as AWS allows it: what it is for, the run's id, a random part."""
    ending = f"-{_words(run_id)}-{secrets.token_hex(4)}"
    words = _words(stem)[: _LONGEST_NAME - len(ending) - len("fmbench-")]
    return "-".join(filter(None, ("fmbench", words.strip("-")))) + ending


def tags(run_id: str, experiment_name: str) -> dict[str, str]:
    """The tags of everything that a run creates."""
    allowed = re.sub(r"[^\w\s.:/=+\-@]", "_", experiment_name)[:256]
    return {RUN_TAG: run_id, EXPERIMENT_TAG: allowed}


def carries_run(read_tags: Callable[[], Mapping[str, str]], run_id: str) -> bool:
    """Whether something carries the tag of a run. Where the caller may not read tags, its random name must do."""
    try:
        return read_tags().get(RUN_TAG) == run_id
    except ForbiddenError:
        return True


def _words(text: str) -> str:
    return re.sub("[^A-Za-z0-9]+", "-", text).strip("-")
