"""Whether the tables of a panel say what was planted: each figure beside the same by hand or by another library.

    python benchmarks/evaluation_truth.py

Three judges behind HTTP (`tests/evaluation/test_scripted_panel.py`) judge forty answers of three models: one says the
truth, and refuses one request in ten with 429; one errs, garbles and refuses on known questions; one obeys what stands
outside the fences, where a model's answers tell it what to say. Pairs are compared by a judge that prefers what comes
first. `by` is what the second value was computed with: the planted labels by hand, or scipy. Prints a table, writes
`benchmarks/results/evaluation_truth.json`, and fails where two values differ.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from output import print_table, write_result
from scipy import stats

sys.path.insert(0, str(Path(__file__).parents[1]))

from fmbench_lib.evaluation.accuracy_tables import (
    accuracy_rows,
    agreement_rows,
    breakdown_rows,
    comparison_rows,
    judge_accuracy_rows,
)
from fmbench_lib.evaluation.asking.judge import Judge, Question, question_to
from fmbench_lib.evaluation.asking.panel import Panel
from fmbench_lib.evaluation.evaluating import rows_of_form
from fmbench_lib.evaluation.given_answers import Given
from fmbench_lib.evaluation.judging.forms import CORRECTNESS, PAIRWISE, Form
from fmbench_lib.evaluation.judging.judge_prompts import Material
from fmbench_lib.evaluation.outcomes import Outcomes, Thresholds, outcomes_of
from fmbench_lib.evaluation.preference_tables import preference_rows
from tests.evaluation.scripted_judge import scripted_judge
from tests.evaluation.test_scripted_panel import (
    JUDGES,
    MODELS,
    NUMBER,
    alpha,
    cohen,
    erring,
    honest,
    material,
    obeying,
    panel_of,
    planted,
)

Row = tuple[str, Any, Any, str]
"""What, as the tables have it, as it was planted or computed otherwise, and with what."""
COLUMNS = (("what", "what"), ("fmbench", "fmbench"), ("truth", "truth"), ("by", "by"), ("equal", "equal"))
TOLERANCE = 1e-12
HUMAN = {f"{model}{n}": "correct" if n < right else "incorrect" for model, right in MODELS.items() for n in range(20)}
"""Labels of people: the truth about the first twenty answers of each model."""


def judged(folder: Path) -> tuple[list[Given], Outcomes, Panel, list[str]]:
    """The answers, what the panel says of them, the panel, and the prompts of the judge that refuses some requests."""

    def questions(judge: Judge) -> Sequence[Question]:
        form = Form(CORRECTNESS)
        return [question_to(judge, form, f"{m}{n}", material(m, n), seed=1) for m in MODELS for n in range(NUMBER)]

    with scripted_judge(honest) as one, scripted_judge(erring) as two, scripted_judge(obeying) as three:
        panel = panel_of(folder, dict(zip(JUDGES, (one.url, two.url, three.url), strict=True)))
        panel.judge([questions])
        asked = list(dict.fromkeys(one.asked))
    given = [Given(m, "p", "concurrency-1", f"q{n}", f"{m}{n}", "answer") for m in MODELS for n in range(NUMBER)]
    return given, outcomes_of(rows_of_form(panel, CORRECTNESS), JUDGES, Thresholds(), {}), panel, asked


def labels(model: str, judge: int) -> list[str]:
    """What one judge says of a model's answers, as planted."""
    return [planted(model, n)[judge] or "no_verdict" for n in range(NUMBER)]


def outcome(said: Sequence[str | None]) -> str:
    """The vote of three by hand: two of a kind decide; one against one is a tie while the third is missing."""
    counts = Counter(label for label in said if label is not None)
    label, most = counts.most_common(1)[0]
    return label if most >= 2 else "tie" if len(counts) == 2 else "no_verdict"


def accuracies(given: Sequence[Given], outcomes: Outcomes) -> Iterator[Row]:
    """Accuracy by model and by judge, with Wilson's interval."""
    for row in accuracy_rows(given, outcomes, ["experiment_name"]):
        model = row["experiment_name"]
        right = sum(outcome(planted(model, n)) == "correct" for n in range(NUMBER))
        yield from share(f"accuracy of {model}", row, right)
    for row in judge_accuracy_rows(given, outcomes):
        found = labels(row["experiment_name"], JUDGES.index(row["judge"]))
        name = f"accuracy of {row['experiment_name']} by {row['judge']}"
        yield from share(name, row, found.count("correct"))
        yield f"{name}: no verdict", row["no_verdict"], found.count("no_verdict"), "hand"


def share(name: str, row: dict[str, Any], right: int) -> Iterator[Row]:
    """An accuracy and the ends of its interval."""
    interval = stats.binomtest(right, NUMBER).proportion_ci(method="wilson")
    yield name, row["accuracy"], right / NUMBER, "hand"
    yield f"{name}: Wilson, low", row["accuracy_low"], float(interval.low), "scipy"
    yield f"{name}: Wilson, high", row["accuracy_high"], float(interval.high), "scipy"


def agreements(outcomes: Outcomes) -> Iterator[Row]:
    """Every coefficient of agreement."""
    rows = {(row["first"], row["second"], row["coefficient"]): row["value"] for row in agreement_rows(outcomes, HUMAN)}
    items = {f"{model}{n}": planted(model, n) for model in MODELS for n in range(NUMBER)}
    kappa = "Cohen's kappa"
    for (i, first), (j, second) in combinations(enumerate(JUDGES), 2):
        yield f"{kappa}: {first}, {second}", rows[first, second, kappa], of_pairs(items.values(), i, j), "hand"
    for i, judge in enumerate(JUDGES):
        others = [tuple(label for j, label in enumerate(item) if j != i) for item in items.values()]
        agreed = [(a if a == b else None) for a, b in others]
        pairs = [(item[i], other) for item, other in zip(items.values(), agreed, strict=True)]
        what = "majority of the others"
        yield f"{kappa}: {judge}, {what}", rows[judge, what, kappa], of_pairs(pairs, 0, 1), "hand"
        people = [(items[answer][i], label) for answer, label in HUMAN.items()]
        yield f"{kappa}: {judge}, human", rows[judge, "human", kappa], of_pairs(people, 0, 1), "hand"
    panel = [(outcome(items[answer]), label) for answer, label in HUMAN.items()]
    yield f"{kappa}: panel, human", rows["panel", "human", kappa], of_pairs(panel, 0, 1), "hand"
    whole = np.array([[item.count("correct"), item.count("incorrect")] for item in items.values() if None not in item])
    chance, agreed_share = (whole.sum(axis=0) / whole.sum()) ** 2, ((whole**2).sum(axis=1) - 3) / 6
    fleiss = float((agreed_share.mean() - chance.sum()) / (1 - chance.sum()))
    yield "Fleiss' kappa", rows["all judges", "", "Fleiss' kappa"], fleiss, "hand"
    yield "Krippendorff's alpha", rows["all judges", "", "Krippendorff's alpha"], alpha(list(items.values())), "hand"


def of_pairs(items: Any, i: int, j: int) -> float:
    """Cohen's kappa of two columns, where both say something."""
    return cohen([(item[i], item[j]) for item in items if item[i] and item[j]])


def comparisons(given: Sequence[Given], outcomes: Outcomes) -> Iterator[Row]:
    """McNemar's exact test of each pair of models, and Holm's correction."""
    rows = comparison_rows(given, outcomes)
    right = {model: [outcome(planted(model, n)) == "correct" for n in range(NUMBER)] for model in MODELS}
    raw = []
    for row in rows:
        ours, theirs = right[row["first"]], right[row["second"]]
        only = [
            sum(a and not b for a, b in pairs)
            for pairs in (zip(ours, theirs, strict=True), zip(theirs, ours, strict=True))
        ]
        raw.append(float(stats.binomtest(only[0], sum(only)).pvalue) if sum(only) else 1.0)
        yield f"McNemar: {row['first']}, {row['second']}", row["p_value"], raw[-1], "scipy"
    order, corrected, least = sorted(range(len(raw)), key=raw.__getitem__), dict[int, float](), 0.0
    for rank, index in enumerate(order):
        least = max(least, min(1.0, (len(raw) - rank) * raw[index]))
        corrected[index] = least
    for index, row in enumerate(rows):
        yield f"Holm: {row['first']}, {row['second']}", row["p_value_holm"], corrected[index], "hand"


def decided(given: Sequence[Given], outcomes: Outcomes) -> Iterator[Row]:
    """How votes were decided."""
    for row in breakdown_rows(given, outcomes):
        truth = Counter(kind_of(planted(row["experiment_name"], n)) for n in range(NUMBER))
        yield f"{row['experiment_name']}: {row['decided']}", row["questions"], truth[row["decided"]], "hand"


def ties(given: Sequence[Given], panel: Panel) -> Iterator[Row]:
    """The outcomes of a panel of two: ties where they differ, and no verdict where one is missing."""
    rows = (row for row in rows_of_form(panel, CORRECTNESS) if row["judge"] in JUDGES[:2])
    for row in accuracy_rows(given, outcomes_of(rows, JUDGES[:2], Thresholds(), {}), ["experiment_name"]):
        said = [planted(row["experiment_name"], n)[:2] for n in range(NUMBER)]
        name = f"panel of two, {row['experiment_name']}"
        yield f"{name}: ties", row["ties"], sum(None not in pair and pair[0] != pair[1] for pair in said), "hand"
        yield f"{name}: no verdict", row["no_verdict"], sum(None in pair for pair in said), "hand"
        yield f"{name}: correct", row["correct"], said.count(("correct", "correct")), "hand"


def kind_of(said: Sequence[str | None]) -> str:
    """How three labels decide, in the table's words."""
    known = [label for label in said if label is not None]
    missing = f", {len(said) - len(known)} without a verdict" if len(known) < len(said) else ""
    if outcome(said) not in known:
        return outcome(said).replace("_", " ")
    dissents = len(known) - known.count(outcome(said))
    return f"{'unanimous' if not dissents else f'majority, {dissents} dissent'}{missing}"


def asking(panel: Panel, asked: Sequence[str]) -> Iterator[Row]:
    """What was asked again, and what a judge that prefers what comes first says of pairs."""
    refused = sum(hashlib.sha256(prompt.encode(errors="surrogatepass")).digest()[0] < 26 for prompt in asked)
    yield "requests refused with 429 and repeated", panel.tallies["honest"].retries, refused, "hand"
    pairs = [(f"a{n}", f"b{n}") for n in range(5)]

    def questions(judge: Judge) -> Sequence[Question]:
        both = Material("Question", (), ("one answer", "another"))
        named = [(f"{a}>{b}", n) for n, pair in enumerate(pairs) for a, b in (pair, pair[::-1])]
        return [question_to(judge, Form(PAIRWISE), subject, both, seed=n) for subject, n in named]

    given = [Given(m, "p", "concurrency-1", f"q{n}", f"{m}{n}", "answer") for n in range(5) for m in "ab"]
    with tempfile.TemporaryDirectory() as folder, scripted_judge(lambda *_: (200, '{"preference": "A"}')) as served:
        biased = panel_of(Path(folder), {"biased": served.url})
        biased.judge([questions])
        (row,) = preference_rows(given, rows_of_form(biased, PAIRWISE), pairs, ["biased"])
    yield "ties by a judge that prefers what comes first", row["ties"], len(pairs), "hand"


def main() -> int:
    """Judge, print and write the table; 1 where two values differ."""
    with tempfile.TemporaryDirectory(prefix="evaluation-") as folder:
        given, outcomes, panel, asked = judged(Path(folder))
        said = sum(
            outcomes.labels[f"{m}{n}"][judge] == planted(m, n)[i]
            for m in MODELS
            for n in range(NUMBER)
            for i, judge in enumerate(JUDGES)
        )
        rows: list[Row] = [("verdicts that are the planted ones", said, 3 * len(MODELS) * NUMBER, "hand")]
        for part in (
            asking(panel, asked),
            accuracies(given, outcomes),
            decided(given, outcomes),
            ties(given, panel),
            agreements(outcomes),
            comparisons(given, outcomes),
        ):
            rows += part
    table = [
        {"what": what, "fmbench": ours, "truth": truth, "by": by, "equal": abs(ours - truth) <= TOLERANCE}
        for what, ours, truth, by in rows
    ]
    print_table(COLUMNS, table)
    write_result("evaluation_truth", {"tolerance": TOLERANCE, "rows": table})
    return int(not all(row["equal"] for row in table))


if __name__ == "__main__":
    sys.exit(main())
