"""What an evaluation would ask and cost, before it does."""

from __future__ import annotations

from collections.abc import Mapping

from fmbench_lib.evaluation.asking.spending import cost_of, estimated_tokens
from fmbench_lib.pricing.price_list import InstancePrice, PriceList
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.evaluation_settings import evaluation_settings, forms_of, judge_texts
from fmbench_lib.steps.judge_endpoints import experiment_of_judge, judge_price

_ORDERS = 2


def evaluation_lines(run: Run, counts: Mapping[str, int], longest: Mapping[str, int], prices: PriceList) -> list[str]:
    """The judges with their prompts and cost at most, a line each; none where no evaluation is asked for.

    Raises InputError where the evaluation cannot be made.
    """
    if not run.config.run_evaluations or (run.config.evaluation is None and run.config.model_evaluations is None):
        return []
    section = evaluation_settings(run)
    experiments, available = len(run.config.experiments), sum(counts.values())
    questions, known = min(section.questions or available, available), available > 0
    asked = sum(
        questions * (experiments if form.name != "pairwise" else experiments * (experiments - 1) // 2 * _ORDERS)
        for form in forms_of(section)
    )
    limit = "" if section.max_cost is None else f"; never more than {section.max_cost:g} USD (evaluation.max_cost)"
    size = (
        f"{questions} questions, at least {asked} judgements by each judge" if known else "number of questions unknown"
    )
    lines = [f"evaluation: {len(section.judges)} judges, {size}{limit}"]
    for judge in section.judges:
        experiment, texts = experiment_of_judge(run, judge), judge_texts(run, section, judge)
        price = judge_price(prices, judge, experiment)
        tokens = estimated_tokens(texts.template + texts.rules) + 300 + max(longest.values(), default=0)
        made = experiment.inference_spec.parameters.get("max_tokens", 300)
        cost = (
            None if isinstance(price, InstancePrice) or not isinstance(made, int) else cost_of(price, tokens, made, 0.0)
        )
        said = "cost unknown: no price by the token"
        if cost is not None:
            said = f"about {asked * cost:.4f} USD at most" if known else f"about {cost:.6f} USD a judgement at most"
        template = judge.template or "the plain template"
        lines.append(
            f"  judge {judge.name}: {judge.platform}, {template}, about {tokens} tokens a prompt at most, {said}"
        )
    return lines
