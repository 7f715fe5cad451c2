"""From a question and its answers to the prompt of a judge."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from fmbench_lib.evaluation.judging.fences import RULE, fence_mark, fenced
from fmbench_lib.evaluation.judging.forms import CORRECTNESS, LABELLED, Form

_FIELD = re.compile(r"\{(rules|instructions|question|ground_truth|context|answer|candidate_response|model_response)\}")
_SYNONYMS = {"instructions": "rules", "candidate_response": "answer", "model_response": "answer"}

DEFAULT_TEMPLATE = """You are an impartial judge of answers to questions.

{rules}

{question}

{ground_truth}

{context}

{answer}
"""
"""The template of judges that name none."""


@dataclass(frozen=True, slots=True)
class Material:
    """What is judged: a question, every acceptable answer, the context, and one answer, or two to compare.

    `context` is None where the judge is not to see it.
    """

    question: str
    truths: tuple[str, ...]
    answers: tuple[str, ...]
    context: str | None = None


@dataclass(frozen=True, slots=True)
class JudgeTexts:
    """What a judge is given beside the material: a template with fields in braces, and rules for its verdict.

    Fields: `{rules}`, `{question}`, `{ground_truth}`, `{context}`, `{answer}`; other braces are text.
    """

    template: str = DEFAULT_TEMPLATE
    rules: str = ""


def judge_prompt(texts: JudgeTexts, form: Form, material: Material, seed: int | str) -> str:
    """The prompt: the same for the same seed and material. Nothing of the material stands outside a fence."""
    pieces = (material.question, *material.truths, *material.answers, material.context or "")
    mark = fence_mark(seed, *pieces)
    draw = random.Random(f"{seed} {mark}")
    fields = {
        "rules": f"{_rules(texts.rules, form, material)}\n\n{RULE.replace('{mark}', mark)}",
        "question": fenced("QUESTION", material.question, mark),
        "ground_truth": _truths(material.truths, mark, draw),
        "context": "" if material.context is None else fenced("CONTEXT", material.context, mark),
        "answer": _answers(material.answers, mark),
    }
    named = {_SYNONYMS.get(name, name) for name in _FIELD.findall(texts.template)}
    prompt = _FIELD.sub(lambda match: fields[_SYNONYMS.get(match[1], match[1])], texts.template)
    left_out = [fields[name] for name in fields if name not in named]
    whole = "\n\n".join(part for part in (prompt.strip(), *left_out, form.request(draw)) if part)
    return re.sub(r"\n{3,}(?=<<<|Answer with|Which answer|Give a)", "\n\n", whole)


def _rules(rules: str, form: Form, material: Material) -> str:
    """The rules of the judge's file for correctness, which they are about; ours for what they do not say."""
    if form.name == CORRECTNESS and rules.strip():
        return rules.strip()
    if form.name in LABELLED and (own := LABELLED[form.name].rules) is not None:
        return own
    against = "an acceptable answer" if material.truths else "the context" if material.context else "what is known"
    return f"Judge the answer to the question by whether it says the same as {against}. Wording does not matter."


def _truths(truths: Sequence[str], mark: str, draw: random.Random) -> str:
    """Every acceptable answer, in a drawn order."""
    return "\n\n".join(fenced("ACCEPTABLE ANSWER", truth, mark) for truth in draw.sample(list(truths), len(truths)))


def _answers(answers: Sequence[str], mark: str) -> str:
    names = ["ANSWER"] if len(answers) == 1 else ["ANSWER A", "ANSWER B"]
    return "\n\n".join(fenced(name, answer, mark) for name, answer in zip(names, answers, strict=True))
