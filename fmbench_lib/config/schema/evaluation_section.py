"""The section `evaluation`: who judges the answers, which questions, and what that may cost."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, PlainValidator

from fmbench_lib.config.platforms import ENDPOINT
from fmbench_lib.config.problems import shown
from fmbench_lib.config.schema.experiment import PlatformName, ProtocolName
from fmbench_lib.config.schema.section import Section, described
from fmbench_lib.config.schema.values import (
    Count,
    Dollars,
    EnvironmentName,
    FileName,
    Flag,
    Fraction,
    FreeKeys,
    Kind,
    Line,
    Location,
    Name,
    Seconds,
    list_of,
    one_of,
    reject,
    section_list,
)

FORMS = ("correctness", "rubric", "pairwise")
FormOfJudgement = Annotated[str, PlainValidator(one_of(*FORMS))]
Forms = Annotated[
    list[FormOfJudgement], BeforeValidator(list_of("forms")), Kind("list of `correctness`, `rubric`, `pairwise`")
]


_TAKEN = {"explanation": "explanation", "scores": "scores together"}
"""What a judge's answer to a rubric holds beside the criteria."""


def _criteria(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not value or not all(isinstance(text, str) for text in value.values()):
        reject(f"is {shown(value)}; write names with what 5 means, {{brevity: it has no word too many}}")
    criteria = {str(name).strip(): text for name, text in value.items()}
    spelled = {re.sub(r"[\s_-]+", " ", name).strip().lower() for name in criteria}  # as judges may spell it
    if "" in spelled or len(spelled) < len(value):
        reject(
            "has names that are empty, or the same but for case, spaces, hyphens and underscores; give each criterion "
            "a name of its own"
        )
    if taken := next((name for name in criteria if name.lower() in _TAKEN), None):
        reject(f"has the name {taken}, which is that of a judge's {_TAKEN[taken.lower()]}; give it another")
    return criteria


Criteria = Annotated[dict[str, str], PlainValidator(_criteria), Kind("what 5 means, by criterion")]


class JudgeSection(Section):
    """A judge: an endpoint that any protocol knows, with a template and parameters of its own.

    `experiment` takes the endpoint of one of the run's experiments; else the keys are those of an experiment.
    """

    strict: ClassVar[bool] = True

    name: Name | None = described("Name of the judge in tables.", None, shown_default="the model's")
    experiment: Name | None = described("The experiment of this run whose endpoint judges.", None)
    platform: PlatformName = described("Where the judge is served.", ENDPOINT)
    protocol: ProtocolName | None = described("What its endpoint speaks.", None, shown_default="the platform's")
    ep_name: Line | None = described("Its address, or the name of its endpoint.", None)
    model_id: Location | None = described("Its model.", None)
    region: Line | None = described("Its region.", None, shown_default="`aws.region`")
    api_key_env: EnvironmentName | None = described("Environment variable that holds its API key.", None)
    instance_type: Line | None = described("Its key in the price file.", None, shown_default="`model_id`")
    parameters: FreeKeys = described(
        "Parameters of its requests.", {}, shown_default="`{temperature: 0, max_tokens: 300}`"
    )
    template: FileName | None = described(
        "Its prompt template: text with `{rules}`, `{question}`, `{ground_truth}`, `{context}` and `{answer}`.",
        None,
        shown_default="a plain one",
    )
    concurrency: Count = described("Requests in flight.", 5)
    timeout: Seconds = described("Timeout of a request.", 120.0)


class EvaluationSection(Section):
    """How the answers are evaluated. It works beside `model_evaluations`, whose values it replaces."""

    strict: ClassVar[bool] = True

    judges: Annotated[list[JudgeSection], section_list] = described("The panel, one entry each, see below.", [])
    forms: Forms = described("What judges are asked for.", ["correctness"])
    criteria: Criteria | None = described(
        "Criteria of the form `rubric`.", None, shown_default="correctness, completeness, clarity"
    )
    rules: FileName | None = described("File with the rules that judges apply.", None, shown_default="ours")
    questions: Count | None = described(
        "How many questions are judged, the same for all experiments, in proportion from each payload file.",
        None,
        shown_default="all that were answered",
    )
    with_context: Flag = described("Whether judges see the prompt as it was sent to the model.", False)
    max_cost: Dollars | None = described(
        "The most that judging and embeddings may cost; nothing is asked beyond it.", None
    )
    attempts: Count = described("The most requests for one judgement.", 5)
    embeddings: JudgeSection | None = described(
        "The endpoint of embeddings for cosine similarity, with the keys of a judge. A `model_id` without `ep_name` is "
        "loaded by sentence-transformers, where that is installed.",
        None,
    )
    incorrect_verdict_cosine_similarity_threshold: Fraction | None = described(
        "A verdict `incorrect` counts only below this similarity to the ground truth.", None
    )
    correct_verdict_cosine_similarity_threshold: Fraction | None = described(
        "A verdict `correct` counts only above this similarity.", None
    )
    json_schema: FileName | None = described("File with the JSON Schema that answers should satisfy.", None)
    human_labels: FileName | None = described(
        "CSV file with the columns `answer_id` and `human_label`: `correct` or `incorrect` (also yes and no, true and "
        "false, 1 and 0).",
        None,
    )
