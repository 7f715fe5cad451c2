"""What an evaluation would ask and cost, before it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec

from fmbench_lib.config.schema.evaluation_section import EvaluationSection, JudgeSection
from fmbench_lib.evaluation.asking.embedding_spending import EMBEDDINGS
from fmbench_lib.evaluation.asking.spending import cost_of, estimated_tokens
from fmbench_lib.evaluation.judging.forms import PAIRWISE
from fmbench_lib.load.levels.specs import LevelSpec
from fmbench_lib.pricing.price_list import InstancePrice, PriceList, TokenPrice
from fmbench_lib.report.numbers import several
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.judging.evaluation_settings import (
    check_criteria,
    evaluation_is_asked,
    evaluation_settings,
    forms_of,
    human_labels,
    json_schema_of,
    judge_texts,
)
from fmbench_lib.steps.judging.judge_endpoints import experiment_of_judge, is_local, judge_price, named_embeddings
from fmbench_lib.steps.prompts.answer_tokens import limit_of

_ORDERS = 2
_FORM_TOKENS = 300  # of a judge's prompt: what the form asks, the rules of the fences

Sent = Sequence[tuple[LevelSpec, int | None]]
"""The levels of a run with the most requests of each; None where only time ends it."""


def check_evaluation(run: Run) -> list[tuple[str, str]]:
    """The judges and their templates, where an evaluation is asked for. Raises InputError where it cannot be made."""
    if not evaluation_is_asked(run):
        return []
    section = evaluation_settings(run)
    json_schema_of(run, section)
    human_labels(run, section)
    check_criteria(run, forms_of(section))
    rows = []
    for judge in section.judges:
        experiment_of_judge(run, judge)
        judge_texts(run, section, judge)
        rows.append((f"judge {judge.name}", judge.template or "the plain template"))
    if section.embeddings is not None:
        rows.append((EMBEDDINGS, _embedder(run, section.embeddings)))
    return rows


def _embedder(run: Run, embeddings: JudgeSection) -> str:
    """What embeds texts. Raises InputError where it names nothing to ask."""
    if is_local(embeddings):
        missing = find_spec("sentence_transformers") is None
        return f"{embeddings.model_id} on this machine" + (", but sentence-transformers is not installed" * missing)
    return experiment_of_judge(run, named_embeddings(embeddings)).platform


def evaluation_lines(
    run: Run, counts: Mapping[str, int], longest: Mapping[str, int], prices: PriceList, sent: Sent
) -> list[str]:
    """The judges with their prompts and cost at most, a line each; none where no evaluation is asked for.

    `counts` are the prompts of each payload file, `longest` the tokens of its longest one. Raises InputError where the
    evaluation cannot be made.
    """
    if not evaluation_is_asked(run):
        return []
    check_evaluation(run)
    section = evaluation_settings(run)
    least, most = _least_judgements(run, section, counts), _most_judgements(run, section, counts, sent)
    size = "number of judgements unknown"
    if most is not None:
        known = "at most " if least is None else f"{least} to " if least < most else ""
        size = f"{known}{most} judgements by each judge"
    limit = "" if section.max_cost is None else f"; never more than {section.max_cost:g} USD (evaluation.max_cost)"
    lines = [f"evaluation: {several(len(section.judges), 'judge')}, {size}{limit}"]
    if most is not None:
        lines.append("  answers that are the same at several loads are judged once")
    lines += [
        _judge_line(run, section, judge, max(longest.values(), default=0), prices, most) for judge in section.judges
    ]
    return lines if section.embeddings is None else [*lines, _embeddings_line(run, section.embeddings, prices)]


def _embeddings_line(run: Run, embeddings: JudgeSection, prices: PriceList) -> str:
    """What embeds texts and at which price; how long answers will be is not known before they are there."""
    what = f"  {EMBEDDINGS}: {_embedder(run, embeddings)}, each answer and each acceptable one as a text"
    if is_local(embeddings):
        return what
    named = named_embeddings(embeddings)
    price = judge_price(prices, named, experiment_of_judge(run, named))
    if isinstance(price, TokenPrice):
        return f"{what}, {price.input_per_1k:g} USD for 1,000 tokens"
    return f"{what}, cost unknown: no price by the token"


def _least_judgements(run: Run, section: EvaluationSection, counts: Mapping[str, int]) -> int | None:
    """How many judgements there are if every load gets the same answers; None where the questions are not known."""
    available = sum(counts.values())
    if not available:
        return None
    questions, experiments = min(section.questions or available, available), len(run.config.experiments)
    return sum(
        questions * (_pairs(experiments) if form.name == PAIRWISE else experiments) for form in forms_of(section)
    )


def _most_judgements(run: Run, section: EvaluationSection, counts: Mapping[str, int], sent: Sent) -> int | None:
    """How many judgements there are if no two answers are the same; None where nothing limits their number."""
    answers: dict[tuple[str, str], int] = {}
    for level, requests in sent:
        bounds = [bound for bound in (requests, counts.get(level.payload_file)) if bound is not None]
        if not bounds:
            return None
        key = level.experiment.name, level.load
        answers[key] = answers.get(key, 0) + min(bounds)
    wanted = [min(number, section.questions or number) for number in answers.values()]
    pairs = max(wanted, default=0) * _pairs(len(run.config.experiments))
    return sum(pairs if form.name == PAIRWISE else sum(wanted) for form in forms_of(section))


def _pairs(experiments: int) -> int:
    return experiments * (experiments - 1) // 2 * _ORDERS


def _judge_line(
    run: Run, section: EvaluationSection, judge: JudgeSection, longest: int, prices: PriceList, most: int | None
) -> str:
    experiment, texts = experiment_of_judge(run, judge), judge_texts(run, section, judge)
    price = judge_price(prices, judge, experiment)
    tokens = estimated_tokens(texts.template + texts.rules) + _FORM_TOKENS + longest
    answer = limit_of(experiment.inference_spec.parameters)
    cost = None if isinstance(price, InstancePrice) or answer is None else cost_of(price, tokens, answer, 0.0)
    stated = "no price by the token" if answer is not None else "max_tokens is not among its parameters"
    if cost is None:
        stated = f"cost unknown: {stated}"
    else:
        stated = f"about {cost:.6f} USD a judgement at most" if most is None else f"about {most * cost:.4f} USD at most"
    template = judge.template or "the plain template"
    return f"  judge {judge.name}: {judge.platform}, {template}, about {tokens} tokens a prompt at most, {stated}"
