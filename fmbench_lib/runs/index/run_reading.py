"""One run as the index keeps it, from its files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import yaml

from fmbench_lib.config.platforms import PLATFORMS, platform_facts
from fmbench_lib.errors import FmbenchError
from fmbench_lib.metrics.many_runs.indexed_run import IndexedRun, RunDocuments, indexed_run
from fmbench_lib.runs.index.results_places import FoundRun, ResultsPlace
from fmbench_lib.workspace import INDEXED

_DAMAGE = (FmbenchError, OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError)
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NAMED_BY_EP_NAME = frozenset(name for name in PLATFORMS if platform_facts(name).ep_name_is_model)


def read_run(place: ResultsPlace, found: FoundRun) -> IndexedRun | str:
    """A run, or why it cannot be read. What is damaged beside its state costs only what it would have told."""
    try:
        state = place.state(found)
        bare = indexed_run(RunDocuments(state, page=found.page))
    except _DAMAGE as error:
        return f"{INDEXED.state} cannot be read: {_said(error)}"
    problems: list[str] = []
    documents = RunDocuments(
        state,
        summary=_part(place, found, INDEXED.summary, problems),
        config=_part(place, found, INDEXED.config, problems),
        payloads=_part(place, found, INDEXED.payloads, problems),
        tags=tags_in(_part(place, found, INDEXED.tags, problems)),
        page=found.page,
        named_by_ep_name=_NAMED_BY_EP_NAME,
    )
    run = bare
    for given in (documents, replace(documents, summary=None)):
        try:
            run = indexed_run(given)
            break
        except _DAMAGE as error:
            problems.append(_said(error))
    return replace(run, problem="; ".join(dict.fromkeys(problems)))


def _part(place: ResultsPlace, found: FoundRun, name: str, problems: list[str]) -> Mapping[str, Any] | None:
    """A file of a run as a mapping; None where it has none, or a damaged one, which is noted."""
    try:
        content = place.content(found, name)
        if content is None:
            return None
        text = content.decode("utf-8")
        value = json.loads(text) if name.endswith(".json") else yaml.load(text, Loader=_Loader)
        if not isinstance(value, Mapping):
            raise ValueError("it holds no keys")
    except (*_DAMAGE, yaml.YAMLError) as error:
        problems.append(f"{name} cannot be read: {_said(error)}")
        return None
    return value


def tags_in(content: Mapping[str, Any] | None) -> list[str]:
    """The tags in the content of a run's file of them."""
    said = [] if content is None else content.get("tags")
    return [tag for tag in said if isinstance(tag, str)] if isinstance(said, list) else []


def _said(error: BaseException) -> str:
    """What is wrong, on one line."""
    said = f"{error.strerror}" if isinstance(error, OSError) and error.strerror else str(error)
    if isinstance(error, KeyError):
        said = f"there is no {error}"
    return " ".join(said.split())[:300] or type(error).__name__
