"""What a judge's answer means. One that cannot be read, or says two things, is no verdict."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from fmbench_lib.evaluation.judging.forms import CORRECTNESS, LABELLED, PAIRWISE, Form
from fmbench_lib.evaluation.judging.json_objects import FoundObject, carried, object_at, objects_in
from fmbench_lib.evaluation.voting import CORRECT, INCORRECT

_LONGEST = 20_000
_LONGEST_EXPLANATION = 500
_THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL | re.IGNORECASE)
_THOUGHT_BEGUN_BEFORE = re.compile(r"\A(?:(?!<think>).)*</think>", re.DOTALL | re.IGNORECASE)
_SET_OFF = r"[ \t\r\"'`*_#>()\[\]{}.:=,✅✔☑–—-]"
"""What may stand around a word on its line without changing it: no word, no sign of negation."""
_AROUND = f"(?:{_SET_OFF}|\n)"
_REASON = r"[*_]*(?:\.[*_]*[ \t]|,?[ \t]+because\b)"
"""What may stand between a verdict and the reason for it on one line."""
_OF_FIVE = re.compile(r"([1-5])(?:\.0)?(?:\s*(?:/|of|out of)\s*5)?")
_QUOTED_KEY = "answer"
"""A key that is also what judges call the text that they judge."""


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
    """The verdict in a judge's answer: the JSON objects in it, else `verdict: word` or the word alone.

    Thoughts are left out, also those that were cut off, and the middle of a long text. Several objects or words that
    differ are no verdict: the judge may quote the answer it judges.
    """
    said = _without_thoughts(text)
    found = [(each, verdict) for each in _objects(said) for verdict in _verdicts_of(each.value, form) if verdict.given]
    distinct = {(verdict.label, tuple(sorted(verdict.scores.items()))) for _, verdict in found}
    if len(distinct) == 1 and not _taken_back(said, [each for each, _ in found], found[-1][1], form):
        return found[-1][1]
    short = said.strip()[:_LONGEST_EXPLANATION]
    if distinct:
        return Verdict(explanation=short)
    return Verdict(_of_words(said, form), _scores_of_lines(said, form), short)


def _without_thoughts(text: str) -> str:
    """What a judge says after its thoughts; of a template that begins the thought itself, only its end is there. An
    object has none: what looks like one is quoted in it."""
    said = text.strip()
    quotes = said.startswith(("{", "```"))
    return said if quotes else _THOUGHT.sub("", _THOUGHT_BEGUN_BEFORE.sub("", said)).strip()


def _objects(said: str) -> list[FoundObject]:
    """The objects in a text; of a long one that is not one object as a whole, those in its beginning and its end."""
    if len(said) <= _LONGEST:
        return list(objects_in(said))
    if (whole := object_at(said, 0)) is not None and whole.end == len(said):
        return [whole]
    half = _LONGEST // 2
    start = len(said) - half
    at_end = (FoundObject(each.value, start + each.start, start + each.end) for each in objects_in(said[start:]))
    return [*objects_in(said[:half]), *at_end]


def _taken_back(said: str, objects: Sequence[FoundObject], verdict: Verdict, form: Form) -> bool:
    """Whether the objects stand in prose that goes on to say something else: they may be quoted."""
    before, after = said[: objects[0].start], said[objects[-1].end :]
    if verdict.label is None or len(verdict.label) < 4 or not re.search(r"\w", before.replace("json", "")):
        return False
    others = [label for label in LABELLED[form.name].labels if label != verdict.label]
    return re.search(rf"(?i)\b({'|'.join(map(re.escape, others))})\b", after) is not None


def _verdicts_of(value: dict[str, Any], form: Form) -> Iterator[Verdict]:
    """What an object says, or without a verdict of its own, what it carries."""
    own = _of_object(value, form)
    yield from [own] if own.given else (_of_object(each, form) for each in carried(value) if each is not value)


def _of_object(value: dict[str, Any], form: Form) -> Verdict:
    explanation = str(value.get("explanation") or "")[:_LONGEST_EXPLANATION]
    if (labelled := LABELLED.get(form.name)) is not None:
        said = next((value[key] for key in (labelled.key, *labelled.synonyms) if key in value), None)
        return Verdict(_label(said, form), {}, explanation)
    nested = value.get("scores")
    given = {_plain(name): score for name, score in (value | (nested if isinstance(nested, dict) else {})).items()}
    scores = {name: _score(given.get(_plain(name))) for name in form.criteria}
    whole = {name: score for name, score in scores.items() if score is not None}
    return Verdict(None, whole if len(whole) == len(scores) else {}, explanation)


def _plain(name: str) -> str:
    """The name of a criterion as judges may spell it: `correct_facts` for `Correct facts`."""
    return re.sub(r"[\s_-]+", " ", name).strip().lower()


def _label(said: object, form: Form) -> str | None:
    if isinstance(said, bool) and form.name == CORRECTNESS:
        return CORRECT if said else INCORRECT
    word = str(said).strip().strip("\"'`*.[]()").lower()
    word = word.removeprefix("answer ").strip() if form.name == PAIRWISE else word
    if form.name == CORRECTNESS:
        word = {"true": CORRECT, "false": INCORRECT}.get(word, word)
    return next((label for label in LABELLED[form.name].labels if label.lower() == word), None)


def _score(said: object) -> int | None:
    """A whole number from 1 to 5, also as a text, `4/5`, or below `score`."""
    if isinstance(said, dict):
        said = said.get("score")
    if isinstance(said, str):
        match = _OF_FIVE.fullmatch(said.strip())
        said = int(match[1]) if match else None
    if isinstance(said, bool) or not isinstance(said, int | float) or said not in (1, 2, 3, 4, 5):
        return None
    return int(said)


def _of_words(text: str, form: Form) -> str | None:
    """The label that a text without JSON says: behind `verdict:` on a line, or as all that it holds; None where
    it says several."""
    if (labelled := LABELLED.get(form.name)) is None:
        return None
    words, keys = "|".join(map(re.escape, labelled.labels)), (labelled.key, *labelled.synonyms)
    named = "|".join(key for key in keys if key != _QUOTED_KEY)
    said = rf"(?:\s+is)?{_AROUND}{{1,6}}(?:answer\s+)?({words})"
    begun = rf"(?:(?:final\s+|the\s+)?(?:{named})|(?:final\s+)(?:{'|'.join(keys)}))"
    marked = rf"(?im)^{_SET_OFF}*{begun}{said}(?:{_SET_OFF}*!?$|{_REASON}([^\n]*)$)"
    alone = rf"(?i){_AROUND}*(?:answer\s+)?({words}){_AROUND}*!?"
    answered = rf"(?i){_AROUND}*(?:the\s+)?(?:{'|'.join(keys)}){said}{_SET_OFF}*!?{_AROUND}*"
    half = _LONGEST // 2
    if len(text) > _LONGEST:
        text = f"{text[:half]}\n{text[-half:]}"
    if whole := re.fullmatch(alone, text) or re.fullmatch(answered, text):
        return _label(whole[1], form)
    doubt = re.compile(rf"(?i)\b(?:{words}|not|but|however)\b")
    found = {_label(word, form) for word, reason in re.findall(marked, text) if not doubt.search(reason)}
    return found.pop() if len(found) == 1 else None


def _scores_of_lines(text: str, form: Form) -> dict[str, int]:
    """The scores of a text without JSON: `criterion: 4` on a line for each, none where one is missing or differs."""
    if form.name in LABELLED or len(text) > _LONGEST:
        return {}
    scores = {}
    for name in form.criteria:
        line = rf"(?im)^{_SET_OFF}*{re.escape(name)}{_SET_OFF}{{1,6}}{_OF_FIVE.pattern}{_SET_OFF}*$"
        if len(found := set(re.findall(line, text))) != 1:
            return {}
        scores[name] = int(found.pop())
    return scores
