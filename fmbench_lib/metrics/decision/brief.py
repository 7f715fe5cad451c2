"""The decision in two short sentences: who wins and why, and how sure that is with the setting that makes it surer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from fmbench_lib.metrics.decision.budgets import (
    Budgets,
    Judgement,
    Outcome,
    is_quality,
    judge,
    name_of,
    unit_of,
    without_verdict,
)
from fmbench_lib.metrics.decision.ranking import RankedBy, unit_cost
from fmbench_lib.metrics.decision.sentence import behind_text, best_words, cost_text, missed_text, why_left_out
from fmbench_lib.metrics.decision.unequal_work import cached_text
from fmbench_lib.metrics.decision.unknown_figures import how_to_know
from fmbench_lib.metrics.decision.wording import level_label, percentile_text, together
from fmbench_lib.metrics.finding import in_times, remedy_of
from fmbench_lib.metrics.missing import Row, number, text
from fmbench_lib.metrics.reasons import reasons_of

_LOWER_LOAD = "add a lower load (`concurrency_levels` or `request_rates`), or raise the budget in `report`"
_GREATER_LOAD = "add a greater load, more copies or another machine, or lower the budget in `report`"
_BETTER_USED = "add a load that uses its machine better, or raise the budget in `report`"
_MORE_QUESTIONS = "judge more answers (`evaluation.questions`)"
_MORE_VERDICTS = "see why judges gave no verdict (`raw_llm_as_a_judge_evals.csv`), and run `fmbench evaluate RUN_DIR`"
_OTHER_MODEL = "try another model, or lower the budget of quality in `report`"
_LOOSER_SEARCH = "raise the limits of `load.subject_to`, or measure longer levels (`load.requests`, `load.duration`)"


@dataclass(frozen=True, slots=True)
class Brief:
    """`what`: the winner and why · `how_sure`: how sure that is, and the one setting that makes it surer; empty where
    nothing was measured · `runner_up`: the best level of another experiment and its distance, empty without one ·
    `tone`: whether there is a winner, and whether it is doubtful."""

    what: str
    how_sure: str = ""
    runner_up: str = ""
    tone: Literal["good", "doubtful", "bad"] = "bad"

    @property
    def sentences(self) -> list[str]:
        """Those that there are."""
        return [sentence for sentence in (self.what, self.how_sure) if sentence]


def brief_of(decision: Mapping[str, Any]) -> Brief:
    """The brief of a decision as summary.json has it; one that lacks its figures is told by its text alone."""
    winner, nearest = decision.get("winner"), decision.get("nearest")
    if winner is not None:
        return _of_winner(decision, winner)
    if nearest is not None:
        return _of_nearest(decision, judge(nearest, Budgets(**decision["budgets"])))
    return Brief(str(decision["text"]))


def _of_winner(decision: Mapping[str, Any], winner: Row) -> Brief:
    by: RankedBy = decision["ranked_by"]
    passed, levels, tied = decision["levels_passed"], decision["levels"], decision["tied"]
    those = f"of the {passed} levels that meet every budget" if passed < levels else f"of {levels} levels"
    compared = (winner, *tied, *filter(None, [decision.get("runner_up")]))
    what = best_words(by, compared)
    if passed == 1 < levels:
        what, those = "the only one", f"of {levels} levels that meets every budget"
    if levels == 1:
        what, those = "the only level", "measured"
    label = together([level_label(row) for row in (winner, *tied)])
    verb = "tie as" if tied else "is"
    how_sure = next(_doubts(decision, winner))
    return Brief(
        what=f"{label} {verb} {what} {those}: {cost_text(winner, by)}.",
        how_sure=how_sure,
        runner_up=_runner_up(decision, winner, by),
        tone="good" if how_sure.startswith("Sure") else "doubtful",
    )


def _runner_up(decision: Mapping[str, Any], winner: Row, by: RankedBy) -> str:
    row = decision.get("runner_up")
    if row is None:
        return ""
    behind = behind_text(row, winner, by) if math.isfinite(unit_cost(winner, by)) else ""
    return f"{level_label(row)}: {cost_text(row, by)}{behind}"


def _doubts(decision: Mapping[str, Any], winner: Row) -> Iterator[str]:
    """What makes a decision doubtful, the weightiest first; at the end that nothing does."""
    judgement = judge(winner, Budgets(**decision["budgets"]))
    for outcome in judgement.outcomes:
        if outcome.doubtful and outcome.low is not None:
            yield f"Not sure: the interval of its {outcome.name} reaches over the budget; {_longer(winner, 4)}."
    if decision["tied"]:
        yield f"Not sure: the difference is within the noise; {_longer(winner, 4)}."
    yield from _unequal_work(decision, winner)
    if text(winner, "verdict") == "degraded":
        yield f"Not sure: {_degraded(winner)}."
    doubtful = [outcome.column for outcome in judgement.outcomes if outcome.doubtful and outcome.low is None]
    for column in dict.fromkeys(("latency_p95", *doubtful)):
        if number(winner, column) is not None and number(winner, f"{column}_low") is None:
            yield f"Not sure: its {name_of(column)} has no confidence interval; {_longer(winner)}."
    if not text(winner, "price_kind"):
        yield "Its cost is not known: give the price of its instance type or model in `pricing`."
    if text(winner, "price_kind") and not winner.get("price_verified"):
        yield "Its price is not verified: look it up, and give it in `pricing`."
    figures = f"its figures are valid, latency p95 {percentile_text(winner, 'latency_p95')}"
    repeats = number(winner, "repeats") or 1
    surer = "; `load.repeats: 3` would also show how much runs differ" if repeats < 2 else ""
    yield f"Sure as far as one run can tell: {figures}{surer}."


def _unequal_work(decision: Mapping[str, Any], winner: Row) -> Iterator[str]:
    """That the transactions compared are not the same work, which a price per token makes up for only in part."""
    other = decision.get("unlike_cache")
    if other is not None:
        yield f"Not sure: {cached_text(winner, other)}; send prompts that no server has (`load.prompt_reuse: never`)."
    if decision["ranked_by"] in ("price_per_output_token", "output_token_throughput"):
        yield "Not sure: answers differ in length, so output tokens are compared; set one in `inference_parameters`."
    if decision["ranked_by"] in ("price_per_token", "token_throughput"):
        yield "Not sure: prompts differ in length, so tokens are compared; send all experiments the same prompts."


def _degraded(row: Row) -> str:
    """The main reason for a level's verdict, with its remedy as a setting where it is one."""
    reasons = reasons_of(text(row, "verdict_reasons"))
    if not reasons:
        return "its measurement is degraded"
    main, remedy = reasons[0], remedy_of(text(row, "verdict_remedy"))
    if remedy is None:
        return main
    return f"{main.removesuffix(f': {remedy.advice}')}; set `{remedy.setting}` or more"


def _longer(row: Row, least: float = 2) -> str:
    """The setting that narrows intervals: as many times the requests, or the seconds, as the level says, or `least`."""
    factor = max(number(row, "latency_longer") or 1, least)
    requests, window = number(row, "requested"), number(row, "window_s")
    if requests:
        return f"set `load.requests: {math.ceil(requests * factor)}`"
    if window:
        return f"set `load.duration: {math.ceil(window * factor)}`"
    return f"measure {in_times(factor)} as long (`load.duration`)"


def _of_nearest(decision: Mapping[str, Any], nearest: Judgement) -> Brief:
    """No level may be chosen: which comes nearest, and what to change."""
    label, row = level_label(nearest.row), nearest.row
    if nearest.invalid:
        main = next(iter(reasons_of(text(row, "verdict_reasons"))), "its verdict is invalid")
        measured = decision["levels"]
        return Brief(
            f"No winner: no level can be trusted, of {measured} measured.",
            f"The nearest, {label}: {main}.",
        )
    misses = [missed_text(outcome, row) for outcome in nearest.missed]
    misses += [f"whose {why_left_out(nearest)}"] if nearest.set_aside else []
    within = any(not level["missed"] for level in decision.get("failed", ()))
    failing = "can be chosen" if within else "meets every budget"
    what = f"No winner: none of {decision['levels']} levels {failing}; nearest comes {label}"
    if decision["levels"] == 1:
        what = f"No winner: the only level {'cannot be chosen' if within else 'misses a budget'}: {label}"
    what += f", {misses[0]}." if misses else "."
    if not nearest.missed and nearest.objection is not None:
        return Brief(what, f"To find one: {_LOOSER_SEARCH}.")
    if not nearest.missed and nearest.may_grow:
        return Brief(what, f"To decide: {_longer(row, number(row, 'sustainable_longer') or 2)}.")
    of_quality = [outcome.certainty for outcome in nearest.missed if is_quality(outcome.column)]
    if of_quality and len(of_quality) == len(nearest.missed):
        if any(without_verdict(row, outcome) for outcome in nearest.missed):
            return Brief(what, f"To decide: {_MORE_VERDICTS}.")
        unknown = "not known" in of_quality
        return Brief(what, f"To decide: {_MORE_QUESTIONS}." if unknown else f"To find one: {_OTHER_MODEL}.")
    return Brief(what, _of_missed(nearest.missed[0], row) if nearest.missed else f"To find one: {_LOWER_LOAD}.")


def _of_missed(outcome: Outcome, row: Row) -> str:
    """What to change because of a budget that is missed, or of whose figure nothing is known."""
    if outcome.value is None:
        return f"To decide: {how_to_know(outcome.column, row)}."
    unit = unit_of(outcome.column)
    if unit == "rate":
        return f"To find one: {_GREATER_LOAD}."
    return f"To find one: {_BETTER_USED if unit in ('cost', 'energy') else _LOWER_LOAD}."
