"""The files of an evaluation in `metrics/`, in FMBench 2.x's names where it had them."""

from __future__ import annotations

ACCURACY, PER_JUDGE = "candidate_model_accuracy.csv", "PoLL_per_model_accuracy.csv"
PER_PAYLOAD, VOTES = "per_payload_model_accuracy_majority_vote.csv", "majority_vote_results_raw.csv"
RAW, QUANTITATIVE = "raw_llm_as_a_judge_evals.csv", "quantitative_metrics_per_model.csv"
KINDS, BREAKDOWN, AGREEMENT = "answer_kinds.csv", "votes_by_kind.csv", "judge_agreement.csv"
COMPARISONS, PER_LOAD, COSTS = "model_comparisons.csv", "accuracy_per_load.csv", "evaluation_costs.csv"
PER_LENGTH, RUBRIC, PREFERENCES = "accuracy_per_prompt_length.csv", "rubric_scores.csv", "model_preferences.csv"
TIDY = "evaluations.parquet"
REPORTED = (
    ACCURACY, PER_JUDGE, PER_PAYLOAD, QUANTITATIVE, KINDS, BREAKDOWN, AGREEMENT, COMPARISONS, PER_LOAD, PER_LENGTH,
    COSTS, RUBRIC, PREFERENCES,
)  # fmt: skip
"""The tables that the report shows."""
EMBEDDED = "texts_embedded"
"""A column of the costs: the texts that an endpoint embedded, missing of a judge."""
