"""A level that was stopped before its end: what was measured of it, kept until the rest of it has been sent.

Each part is a folder with the spools of its workers. The first request that is not in them as it should be is where the
next part goes on. What was sent after that one is sent again, so that no request is left out because it took long.

The records of all parts are put on one clock, without the time between the parts: in an open loop each request of a
later part is due when the schedule has it, in a closed loop the first one when the part before it stopped sending.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, cast

from fmbench_lib.config.redactor import Redactor
from fmbench_lib.host.atomic_files import read_json, write_json
from fmbench_lib.load.levels.deal import Deal
from fmbench_lib.load.recording.recorder import Recorder, TokenCounter
from fmbench_lib.load.recording.sent_level import SentFile, SentLevel, file_of, level_of
from fmbench_lib.load.sending.engine import LevelRun, WorkerEnd
from fmbench_lib.load.sending.layout import due_offset
from fmbench_lib.load.sending.level import Level
from fmbench_lib.load.sending.level_part import PartOfLevel
from fmbench_lib.load.sending.spool import Outcome
from fmbench_lib.metrics.level_facts import LevelFacts, NodeFacts, PartFacts
from fmbench_lib.predictors.base import Predictor

_FILE = "part.json"
_TO_THE_END = 1 << 32
"""After every position."""


class PartFile(SentFile):
    """The file of a part. `first` is the position of its first measured request, `after` of the first that it did not
    measure, `window_ns` its window on the monotonic clock up to when that one was due. `deal` has the prompts of the
    whole level: of the warm-up, measured, and how many were asked for."""

    first: int
    after: int
    window_ns: tuple[int, int]
    deal: tuple[list[int], list[int], int | None]


@dataclass(frozen=True, slots=True)
class LevelPart:
    """A part of a level, as `PartFile` has it."""

    sent: SentLevel
    first: int
    after: int
    window_ns: tuple[int, int]

    @property
    def seconds(self) -> float:
        """The length of its window."""
        return (self.window_ns[1] - self.window_ns[0]) / 1e9


@dataclass(frozen=True, slots=True)
class StoppedLevel:
    """What is known of a stopped level without its spools: its prompts, which attempt it is, how many requests of it
    are kept, and the facts of its first part."""

    deal: Deal
    kept: int
    facts: LevelFacts


def keep_part(
    folder: Path, scratch: Path, sent: SentLevel, level: Level, deal: Deal, outcomes: Iterable[Outcome]
) -> int:
    """Move what `scratch` holds of a level that was stopped to the folder of its parts; returns how many of its
    measured requests are kept of this part, which follows from their `outcomes`. None are where not even the first was
    answered: then nothing is moved.
    """
    run = sent.run
    after, due_ns = _unmeasured(level, outcomes)
    if run.window_ns is None or after == level.first_measured:
        return 0
    end_ns = due_ns if due_ns is not None else run.window_ns[1]
    if level.open_loop and run.order is not None and (offset := due_offset(run.order, after)) is not None:
        end_ns = run.begin_ns + int(offset * 1e9)
    content: PartFile = {
        **file_of(sent, scratch),
        "first": level.first_measured,
        "after": after,
        "window_ns": (run.window_ns[0], end_ns),
        "deal": (list(deal.warmup), list(deal.measured), deal.asked),
    }
    write_json(scratch / _FILE, content)
    adopt_part(folder, scratch)
    return after - level.first_measured


def adopt_part(folder: Path, scratch: Path) -> None:
    """Move a part that was written down, and no more than that, to the others."""
    if (scratch / _FILE).exists():
        folder.mkdir(exist_ok=True)
        scratch.replace(folder / str(1 + len(_folders(folder))))


def stopped_level(folder: Path) -> StoppedLevel | None:
    """The level whose parts are in this folder; None where there are none."""
    files = [_content(each) for each in _folders(folder)]
    if not files:
        return None
    warmup, measured, asked = files[0]["deal"]
    kept = files[-1]["after"] - files[0]["first"]
    return StoppedLevel(Deal(tuple(warmup), tuple(measured), asked), kept, files[0]["facts"])


def read_parts(
    folder: Path, predictor: Predictor, tokenizer: TokenCounter | None, redactor: Redactor | None = None
) -> list[LevelPart]:
    """The parts of a level in their order; none where it has not been stopped."""
    parts = []
    for path in _folders(folder):
        content = _content(path)
        sent = level_of(content, [path / name for name in content["spools"]], predictor, tokenizer, redactor)
        begin, end = content["window_ns"]
        parts.append(LevelPart(sent, content["first"], content["after"], (begin, end)))
    return parts


def continued(level: Level, parts: Sequence[LevelPart]) -> Level:
    """The rest of a level."""
    if not parts:
        return level
    measured_s = sum(part.seconds for part in parts)
    return replace(level, resume_at=parts[-1].after, measured_s=measured_s, level_id=parts[0].sent.run.level_id)


def whole_level(parts: Sequence[LevelPart], last: SentLevel | None) -> SentLevel:
    """The level of all its parts; `last` is the one that was sent to the end, None where nothing was left to send."""
    if last is not None and last.run.window_ns is not None and last.run.first_measured is not None:
        parts = [*parts, LevelPart(last, last.run.first_measured, _TO_THE_END, last.run.window_ns)]
    workers: list[WorkerEnd] = []
    urls: list[str] = []
    facts: list[PartFacts] = []
    end_ns = 0
    for part in parts:
        own_ns = part.sent.run.clocks()[0].unix_offset_ns
        offset_ns = end_ns - part.window_ns[0] if workers else own_ns
        facts.append(_part_facts(part, own_ns, (own_ns - offset_ns) / 1e9 - _sum(facts)))
        end_ns = part.window_ns[1] + offset_ns
        placed = PartOfLevel(part.first, part.after, offset_ns, len(urls), own_ns - offset_ns)
        workers += [replace(worker, part=placed) for worker in part.sent.run.workers]
        urls += part.sent.recorder.urls
    first = parts[0].sent
    run = LevelRun(first.run.level_id, None, "", None, tuple(workers))
    return SentLevel(_recorder(first.recorder, urls), run, _facts(parts, facts, end_ns, last))


def discard_parts(folder: Path) -> None:
    """Forget the parts of a level that is recorded as a whole."""
    shutil.rmtree(folder, ignore_errors=True)


def _part_facts(part: LevelPart, offset_ns: int, gap: float) -> PartFacts:
    own = part.sent.facts
    return {"started": own["started"], "ended": own["ended"], "unix_offset": offset_ns / 1e9, "gap": gap}


def _sum(facts: Sequence[PartFacts]) -> float:
    return sum(part["gap"] for part in facts)


def _recorder(recorder: Recorder, urls: Sequence[str]) -> Recorder:
    return replace(recorder, urls=tuple(urls))


def _facts(parts: Sequence[LevelPart], of_parts: list[PartFacts], end_ns: int, last: SentLevel | None) -> LevelFacts:
    """The facts of the whole: those of the first part, the end of the last, sums and extremes of all."""
    all_facts = [part.sent.facts for part in parts]
    first, ending = all_facts[0], (last or parts[-1].sent).facts
    resent = [facts["resent_prompts"] for facts in all_facts]
    return {
        **first,
        "scheduled_rate": _scheduled_rate(parts),
        "window_end": end_ns / 1e9,
        "ended": first["started"] + sum(facts["ended"] - facts["started"] for facts in all_facts),
        "stop_reason": ending["stop_reason"] if last is not None else "duration",
        "stop_note": ending["stop_note"] if last is not None else None,
        "resent_prompts": None if None in resent else sum(count for count in resent if count is not None),
        "workers": ending["workers"],
        "client_cpu": [share for facts in all_facts for share in facts["client_cpu"]],
        "clock_step_s": max(facts["clock_step_s"] for facts in all_facts),
        "client_stopped_s": max(facts["client_stopped_s"] for facts in all_facts),
        "client_suspended_s": max(facts["client_suspended_s"] for facts in all_facts),
        "nodes": _nodes(all_facts),
        "parts": of_parts,
    }


def _nodes(of_parts: Sequence[LevelFacts]) -> list[NodeFacts] | None:
    """What each machine of a cluster did in all parts; its clock's drift is that of the last one."""
    by_name: dict[str, NodeFacts] = {}
    for node in chain.from_iterable(facts["nodes"] or () for facts in of_parts):
        before = by_name.pop(node["name"], None)
        by_name[node["name"]] = node if before is None else _in_both(before, node)
    return list(by_name.values()) or None


def _in_both(before: NodeFacts, node: NodeFacts) -> NodeFacts:
    """What a machine did in two parts; requests that were sent again are counted twice."""
    return {
        **node,
        "clock_bound": max(before["clock_bound"], node["clock_bound"]),
        "schedule_lag_p99": _of_known(max, before["schedule_lag_p99"], node["schedule_lag_p99"]),
        "client_lag_p99": _of_known(max, before["client_lag_p99"], node["client_lag_p99"]),
        "cpu": _of_known(max, before["cpu"], node["cpu"]),
        "requests": _of_known(sum, before["requests"], node["requests"]),
        "lost": node["lost"] or before["lost"],
    }


def _of_known(combine: Callable[[list[Any]], Any], *values: float | None) -> Any:
    known = [value for value in values if value is not None]
    return combine(known) if known else None


def _scheduled_rate(parts: Sequence[LevelPart]) -> float | None:
    """Requests per second in the schedule of an open loop; the window of a stopped part ends where the next is due."""
    rates = [part.sent.facts["scheduled_rate"] for part in parts]
    if None in rates:
        return None
    counts = [part.after - part.first for part in parts]
    if parts[-1].after == _TO_THE_END:
        counts[-1] = round((rates[-1] or 0.0) * parts[-1].seconds)
    return sum(counts) / sum(part.seconds for part in parts)


def _unmeasured(level: Level, outcomes: Iterable[Outcome]) -> tuple[int, int | None]:
    """The position of the first measured request that was not answered or given up by itself, and when it was due
    where it was sent."""
    ended: set[int] = set()
    cut: dict[int, int] = {}
    for position, due_ns, error in outcomes:
        if error == "cancelled":
            cut[position] = due_ns
        else:
            ended.add(position)
    after = level.first_measured
    while after in ended:
        after += 1
    return after, cut.get(after)


def _folders(folder: Path) -> list[Path]:
    """The folders of the parts in their order."""
    found = [path for path in folder.glob("*") if path.name.isdigit() and (path / _FILE).exists()]
    return sorted(found, key=lambda path: int(path.name))


def _content(path: Path) -> PartFile:
    return cast(PartFile, read_json(path / _FILE))
