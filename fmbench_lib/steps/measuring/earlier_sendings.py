"""Prompts that other runs have sent to the same endpoint: its cache may still hold them.

Other runs are those beside this one in the folder of results, whatever their name. What is compared is the content of
the payload files and the addresses of the endpoints. Runs elsewhere, or of versions that did not write down what they
sent, are not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fmbench_lib.data.payload_index import read_payload_index
from fmbench_lib.deploy.endpoints_file import endpoints
from fmbench_lib.errors import FmbenchError
from fmbench_lib.load.levels.attempt import EarlierRun
from fmbench_lib.load.levels.deal import Deal
from fmbench_lib.load.levels.specs import LevelSpec
from fmbench_lib.load.recording.records import read_level
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.measuring.attempts_log import past_attempts
from fmbench_lib.steps.run_inputs.payloads import payload_index
from fmbench_lib.workspace import RUN_FILE, LevelKey, Workspace


@dataclass(frozen=True, slots=True)
class Sending:
    """The prompts of one attempt at a level of another run: their numbers, and when it began (Unix s)."""

    workspace: Workspace
    key: LevelKey
    began: float
    prompts: frozenset[int]


def earlier_sendings(run: Run, payload_file: str, urls: Sequence[str]) -> list[Sending]:
    """What other runs have sent of this payload file to any of these addresses, the oldest first."""
    content = next(each.sha256 for each in payload_index(run).payloads if each.payload_file == payload_file)
    addresses = {_without_query(url) for url in urls}
    found: list[Sending] = []
    for state in run.workspace.path.parent.parent.glob(f"*/*Z*/{RUN_FILE}"):
        if state.parent != run.workspace.path:
            try:
                found += _sendings_of(Workspace(state.parent), content, addresses)
            except (OSError, ValueError, KeyError, TypeError, FmbenchError):
                continue  # another run's damage is not this one's
    return sorted(found, key=lambda sending: sending.began)


def earlier_run(sendings: Iterable[Sending], level: LevelSpec, deal: Deal) -> EarlierRun | None:
    """The last run that has sent measured prompts of a level, and TTFT when this load was sent them first."""
    wanted = frozenset(deal.measured)
    same = [sending for sending in sendings if wanted & sending.prompts]
    if not same:
        return None
    name = "/".join(same[-1].workspace.path.parts[-2:])
    known = len(wanted.intersection(set().union(*(sending.prompts for sending in same))))
    first = next((sending for sending in same if sending.key.load == level.load), None)
    return EarlierRun(name, same[-1].began, known, None if first is None else _ttft_p50(first))


def _sendings_of(workspace: Workspace, content: str, addresses: set[str]) -> Iterator[Sending]:
    files = [
        each.payload_file for each in read_payload_index(workspace.payload_index).payloads if each.sha256 == content
    ]
    for endpoint in endpoints(workspace).values() if files else ():
        if not addresses & {_without_query(url) for url in endpoint.urls}:
            continue
        for payload_file in files:
            for path in workspace.attempts_files(endpoint.experiment_name, payload_file):
                key = workspace.level_of_attempts(path, endpoint.experiment_name, payload_file)
                for attempt in past_attempts(path, workspace.level_scratch(key)):
                    yield Sending(workspace, key, attempt.began, frozenset(attempt.prompts_sent))


def _ttft_p50(sending: Sending) -> float | None:
    """The median TTFT (s) of the oldest records of that level; None without any that streamed."""
    older = [path for _, path in sending.workspace.earlier_attempts(sending.key)]
    path = next(filter(Path.exists, [*older, sending.workspace.level(sending.key)]), None)
    if path is None:
        return None
    records, _ = read_level(path, columns=["phase", "error", "due", "first"])
    times = (records["first"] - records["due"])[(records["phase"] == "measured") & records["error"].isna()].dropna()
    return float(times.median()) if len(times) else None


def _without_query(url: str) -> str:
    return url.partition("?")[0]
