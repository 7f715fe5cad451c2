"""A judge of the panel, and one thing to ask it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from fmbench_lib.evaluation.judging.forms import Form
from fmbench_lib.evaluation.judging.judge_prompts import JudgeTexts, Material, judge_prompt
from fmbench_lib.predictors.base import Predictor
from fmbench_lib.pricing.price_list import Price


@dataclass(frozen=True, slots=True)
class Judge:
    """An endpoint with its own template and parameters.

    `constrained` asks for JSON of the form's schema where the protocol can, by form; `plain` is used where the server
    refuses that. `identity` is what its verdicts depend on beside the prompt: model, protocol, parameters. `timeout` is
    in seconds, `max_tokens` the most of an answer, None where nothing limits it. `price` is None where it is not known.
    """

    name: str
    urls: tuple[str, ...]
    plain: Predictor
    constrained: dict[str, Predictor] = field(default_factory=dict)
    texts: JudgeTexts = field(default_factory=JudgeTexts)
    identity: str = ""
    concurrency: int = 5
    timeout: float = 120.0
    max_tokens: int | None = 300
    price: Price | None = None
    ca_bundle: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """One judgement to ask for: `subject` names what is judged, an answer's id, or two with the order they have."""

    key: str
    form: Form
    subject: str
    prompt: str


def question_to(judge: Judge, form: Form, subject: str, material: Material, seed: int) -> Question:
    """What a judge is asked. Its key is the same wherever the same judge would get the same prompt."""
    prompt = judge_prompt(judge.texts, form, material, f"{seed} {judge.name}")
    content = "\0".join((judge.name, judge.identity, form.name, *sorted(form.criteria), prompt))
    return Question(hashlib.sha256(content.encode(errors="surrogatepass")).hexdigest()[:32], form, subject, prompt)
