"""A judge of the panel, and one thing to ask it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from fmbench_lib.evaluation.judging.forms import Form
from fmbench_lib.evaluation.judging.judge_prompts import JudgeTexts, Material, judge_prompt
from fmbench_lib.predictors.base import Predictor
from fmbench_lib.pricing.price_list import Price


@dataclass(frozen=True, slots=True)
class Judge:
    """An endpoint with its own template and parameters.

    `constrained` asks for JSON of the form's schema where the protocol can, by form; `plain` is used where the server
    refuses that. `identity` is what its verdicts depend on beside its texts: model, protocol, parameters. `copy` counts
    the judges of a panel that are the same in all of this, from 1: each of them is asked. `timeout` is in seconds,
    `max_tokens` the most of an answer, None where nothing limits it. `price` is None where it is not known.
    """

    name: str
    urls: tuple[str, ...]
    plain: Predictor
    constrained: dict[str, Predictor] = field(default_factory=dict)
    texts: JudgeTexts = field(default_factory=JudgeTexts)
    identity: str = ""
    copy: int = 1
    concurrency: int = 5
    timeout: float = 120.0
    max_tokens: int | None = 300
    price: Price | None = None
    ca_bundle: str | None = None

    @property
    def id(self) -> str:
        """Sixteen hexadecimal digits of what its verdicts depend on: neither its name nor its place on the panel."""
        return _digest(self.identity, self.texts.template, self.texts.rules, str(self.copy))[:16]


@dataclass(frozen=True, slots=True)
class Question:
    """One judgement to ask for: `subject` names what is judged, an answer's id, or two with the order they have."""

    key: str
    form: Form
    subject: str
    prompt: str


def question_to(judge: Judge, form: Form, subject: str, material: Material, seed: int) -> Question:
    """What a judge is asked. Its key is the same wherever the same judge would get this prompt about the subject."""
    prompt = judge_prompt(judge.texts, form, material, f"{seed} {judge.id}")
    criteria = (f"{name}: {meaning}" for name, meaning in sorted(form.criteria.items()))
    return Question(_digest(judge.id, form.name, subject, *criteria, prompt)[:32], form, subject, prompt)


def told_apart(judges: Iterable[Judge]) -> list[Judge]:
    """The judges of a panel, those that are the same but for their names counted."""
    seen = Counter[str]()
    apart = []
    for judge in judges:
        seen[judge.id] += 1
        apart.append(replace(judge, copy=seen[judge.id]))
    return apart


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()
