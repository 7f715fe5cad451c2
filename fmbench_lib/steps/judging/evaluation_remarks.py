"""What an evaluation did not do that it was asked for, a line each: for the terminal, the report and the summary."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fmbench_lib.host.atomic_files import read_json, write_json
from fmbench_lib.report.evaluation_files import RAW
from fmbench_lib.report.markdown import one_line, sentence_list
from fmbench_lib.report.numbers import several
from fmbench_lib.runs.run import Run

if TYPE_CHECKING:  # a report reads the lines, and asks nobody
    from fmbench_lib.config.schema.evaluation_section import EvaluationSection
    from fmbench_lib.evaluation.asking.embedding_spending import EmbeddingSpending
    from fmbench_lib.evaluation.asking.panel import Panel
    from fmbench_lib.evaluation.asking.verdict_store import VerdictStore
    from fmbench_lib.evaluation.given_answers import Given

_FILE = "remarks.json"
_AGAIN = "`fmbench evaluate RUN_DIR`"
_LONGEST = 200


def label_remarks(name: str | None, labels: Collection[str], given: Sequence[Given]) -> list[str]:
    """That labels are of no answer of this run: people's verdicts that count for nothing."""
    known = {each.answer_id for each in given}
    strange = [answer for answer in labels if answer not in known]
    if not strange:
        return []
    count = several(len(labels), "label")
    some = f"{len(strange):,} of its {count} {'is' if len(strange) == 1 else 'are'} not"
    which = f"none of its {count} is" if len(strange) == len(labels) else some
    example = f"such as answer_id {one_line(strange[0], 40) or '(empty)'}"
    return [
        f"evaluation.human_labels: {name}: {which} of an answer of this run, {example}; take answer_id from "
        f"metrics/{RAW}, as text"
    ]


def asking_remarks(section: EvaluationSection, panel: Panel, embedded: EmbeddingSpending | None) -> list[str]:
    """What judges and the endpoint of embeddings did not answer, and what the ceiling left out."""
    lines = []
    for name, store in panel.stores():
        if name is not None and panel.tallies[name].failed:
            lines.append(_unanswered(f"judge {name}", "judgement", panel.tallies[name].failed, store))
    if embedded is not None and (failed := embedded.store.judgements[1]):
        lines.append(_unanswered("evaluation.embeddings", "text", failed, embedded.store))
    left_out = {name: tally.left_out for name, tally in panel.tallies.items() if tally.left_out}
    said = [f"{several(count, 'judgement')} of {name}" for name, count in left_out.items()]
    said += [f"{several(embedded.left_out, 'embedding')}"] if embedded is not None and embedded.left_out else []
    if said:
        lines.append(
            f"evaluation.max_cost: {section.max_cost:g} USD had no room for {sentence_list(said)}; raise it, and "
            f"{_AGAIN} asks for the rest"
        )
    return lines


def _unanswered(who: str, what: str, failed: int, store: VerdictStore) -> str:
    """That requests failed for good, with what was said of the last one."""
    last: Mapping[str, object] = {}
    for row in store.rows(["error", "error_message"]):
        last = row if row["error"] is not None else last
    said = one_line(str(last.get("error_message") or ""), _LONGEST)
    why = f"{last.get('error')}: {said}" if said else str(last.get("error"))
    count = several(failed, what)
    got = f"{count} got no answer" if store.judgements[0] else f"none of {count} got an answer"
    return f"{who}: {got} ({why}); {_AGAIN} asks again"


def keep_remarks(run: Run, lines: Sequence[str], *, made: bool = True) -> None:
    """Keep the lines of the last evaluation, and whether it was made."""
    run.workspace.evaluation.mkdir(parents=True, exist_ok=True)
    kept = {"made": made, "remarks": [run.redactor.in_content(line) for line in lines]}
    write_json(run.workspace.evaluation / _FILE, kept)


def evaluation_remarks(run: Run) -> list[str]:
    """The lines of the last evaluation of a run, none without one."""
    return [str(line) for line in _kept(run).get("remarks", [])]


def evaluation_was_made(run: Run) -> bool:
    """Whether nothing has broken the last evaluation; where none was asked for, nothing has."""
    return bool(_kept(run).get("made", True))


def _kept(run: Run) -> dict[str, Any]:
    path = run.workspace.evaluation / _FILE
    return read_json(path) if path.exists() else {}
