"""What a judge's answer means. One that cannot be read, or says two things, is no verdict."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from fmbench_lib.evaluation.judging.forms import CORRECTNESS, LABELLED, PAIRWISE, Form
from fmbench_lib.evaluation.voting import CORRECT, INCORRECT

_LONGEST = 20_000
_LONGEST_EXPLANATION = 500
_THOUGHT = re.compile(r"<think>.*?</think>", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A label (`correct`, `incorrect`; `A`, `B`, `tie`), None without one, or the scores of a rubric."""

    label: str | None = None
    scores: dict[str, int] = field(default_factory=dict)
    explanation: str = ""

    @property
    def given(self) -> bool:
        """Whether the judge gave a verdict."""
        return self.label is not None or bool(self.scores)


def read_verdict(text: str, form: Form) -> Verdict:
    """The verdict in a judge's answer: JSON as a whole, else the JSON objects in it, else `verdict: word` or the word
    alone. Several objects or words that differ are no verdict: the judge may quote the answer it judges."""
    said = _THOUGHT.sub("", text[:_LONGEST])
    verdicts = [verdict for value in _objects(said) if (verdict := _of_object(value, form)).given]
    distinct = {(verdict.label, tuple(sorted(verdict.scores.items()))) for verdict in verdicts}
    if len(distinct) == 1:
        return verdicts[-1]
    if distinct:
        return Verdict(explanation=said.strip()[:_LONGEST_EXPLANATION])
    return Verdict(_of_words(said, form), {}, said.strip()[:_LONGEST_EXPLANATION])


def _of_object(value: dict[str, Any], form: Form) -> Verdict:
    explanation = str(value.get("explanation") or "")[:_LONGEST_EXPLANATION]
    lower = {str(key).strip().lower(): each for key, each in value.items()}
    if (labelled := LABELLED.get(form.name)) is not None:
        said = next((lower[key] for key in (labelled.key, *labelled.synonyms) if key in lower), None)
        return Verdict(_label(said, form), {}, explanation)
    nested = lower.get("scores")
    lower |= {str(key).strip().lower(): each for key, each in nested.items()} if isinstance(nested, dict) else {}
    scores = {name: _score(lower.get(name.lower())) for name in form.criteria}
    whole = {name: score for name, score in scores.items() if score is not None}
    return Verdict(None, whole if len(whole) == len(scores) else {}, explanation)


def _label(said: object, form: Form) -> str | None:
    if isinstance(said, bool) and form.name == CORRECTNESS:
        return CORRECT if said else INCORRECT
    word = str(said).strip().strip("\"'`*.[]()").lower()
    word = word.removeprefix("answer ").strip() if form.name == PAIRWISE else word
    return next((label for label in LABELLED[form.name].labels if label.lower() == word), None)


def _score(said: object) -> int | None:
    if isinstance(said, str) and said.strip().isdecimal():
        said = int(said)
    if isinstance(said, bool) or not isinstance(said, int | float) or said not in (1, 2, 3, 4, 5):
        return None
    return int(said)


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """The JSON objects in a text that are in no other, in order."""
    decoder, at = json.JSONDecoder(), text.find("{")
    while at >= 0:
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            end = at + 1
        else:
            if isinstance(value, dict):
                yield value
        at = text.find("{", end)


def _of_words(text: str, form: Form) -> str | None:
    """The label that a text without JSON says: behind `verdict:` on a line, or as all that it holds; None where
    it says several."""
    if (labelled := LABELLED.get(form.name)) is None:
        return None
    words, named = "|".join(map(re.escape, labelled.labels)), "|".join((labelled.key, *labelled.synonyms))
    marked = rf"(?im)^\W*(?:final\s+|the\s+)?(?:{named})(?:\s+is)?\W{{1,6}}(?:answer\s+)?({words})\W*$"
    alone = rf"(?i)\W*(?:answer\s+)?({words})\W*"
    whole = re.fullmatch(alone, text)
    found = {_label(word, form) for word in ([whole[1]] if whole else re.findall(marked, text))}
    return found.pop() if len(found) == 1 else None
