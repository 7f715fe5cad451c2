"""The forms of a judgement: what a judge is asked for, and the JSON Schema of what it says."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from fmbench_lib.evaluation.voting import CORRECT, INCORRECT

FormName: TypeAlias = Literal["correctness", "rubric", "pairwise"]
CORRECTNESS: FormName = "correctness"
RUBRIC: FormName = "rubric"
PAIRWISE: FormName = "pairwise"
FORMS: tuple[FormName, ...] = (CORRECTNESS, RUBRIC, PAIRWISE)

FIRST, SECOND, EQUAL = "A", "B", "tie"


@dataclass(frozen=True, slots=True)
class Labelled:
    """A form whose verdict is one of `labels`, under `key` in the JSON that a judge returns; `synonyms` are other keys
    that judges use. `rules` say what to judge by, None where that follows from what is known; `question` stands before
    the request for the verdict."""

    key: str
    labels: tuple[str, ...]
    synonyms: tuple[str, ...] = ()
    rules: str | None = None
    question: str = ""


LABELLED: dict[str, Labelled] = {
    CORRECTNESS: Labelled("verdict", (CORRECT, INCORRECT), ("evaluation", "judgement", "judgment", "answer")),
    PAIRWISE: Labelled(
        "preference",
        (FIRST, SECOND, EQUAL),
        ("verdict", "winner"),
        "Compare the two answers to the question. Neither their order nor their length is a merit.",
        "Which answer is better? ",
    ),
}
"""Every form but that of scores. A new one is a row here and a name in the config's `FORMS`."""

DEFAULT_CRITERIA = {
    "correctness": "every statement is true and supported by what is given",
    "completeness": "everything that was asked for is answered",
    "clarity": "it is short, well ordered and easy to understand",
}
"""The criteria of a rubric where the config names none, each with what 5 means."""


@dataclass(frozen=True, slots=True)
class Form:
    """A form with its criteria, those of a rubric by name."""

    name: FormName
    criteria: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULT_CRITERIA))

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of a verdict; the explanation comes first, so that the verdict follows from it."""
        properties: dict[str, Any] = {"explanation": {"type": "string"}}
        if (labelled := LABELLED.get(self.name)) is not None:
            properties[labelled.key] = {"type": "string", "enum": list(labelled.labels)}
        else:
            properties |= {name: {"type": "integer", "minimum": 1, "maximum": 5} for name in self.criteria}
        return {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }

    def request(self, draw: random.Random) -> str:
        """What the judge is asked to return; options come in the order that `draw` gives."""
        short = '"explanation": "one sentence"'
        if (labelled := LABELLED.get(self.name)) is not None:
            options = _options(labelled.labels, draw)
            return f'{labelled.question}Answer with JSON alone: {{{short}, "{labelled.key}": {options}}}'
        names = draw.sample(sorted(self.criteria), len(self.criteria))
        lines = "\n".join(f"- {name}: 5 where {self.criteria[name]}; 1 where nothing of that is so" for name in names)
        scores = ", ".join(f"{json.dumps(name)}: 1 to 5" for name in names)
        asked = f"Give a whole number from 1 to 5 for each criterion:\n{lines}"
        return f"{asked}\nAnswer with JSON alone: {{{short}, {scores}}}"


def _options(options: Sequence[str], draw: random.Random) -> str:
    return " or ".join(f'"{option}"' for option in draw.sample(list(options), len(options)))
