"""How often the 95% interval of an accuracy holds the true one.

    python benchmarks/coverage_accuracy.py [REPEATS]

For each number of questions and accuracy: the coverage of Wilson's interval computed exactly, from the binomial
distribution, and REPEATS (default 2,000) simulated evaluations, whose verdicts go through voting and tables as those of
a run do. Each question is answered at three loads, its answers being alike; the table counts its first one.
`all answers` is what the interval would hold if each answer counted as a question. `two files` are evaluations whose
questions are half of a payload file that is easier and half of one that is harder, by 0.08 where there is room. Prints
a table, writes `benchmarks/results/coverage_accuracy.json`, and fails where a simulation is far from what is exact.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from output import print_table, write_result

from fmbench_lib.evaluation.accuracy_tables import accuracy_rows
from fmbench_lib.evaluation.given_answers import Given
from fmbench_lib.evaluation.outcomes import Outcomes, Thresholds, outcomes_of
from fmbench_lib.metrics.statistics.proportions import wilson

QUESTIONS, ACCURACIES, LOADS = (20, 100, 500), (0.5, 0.9, 0.99), 3
ALIKE = 0.8  # an answer at another load is as right as the first one so often; else it is drawn anew
HARDER = 0.08
WITHIN = (0.93, 0.975)
COLUMNS = (
    ("questions", "questions"), ("accuracy", "accuracy"), ("exact", "exact"), ("below", "misses below"),
    ("above", "misses above"), ("simulated", "simulated"), ("two_files", "two files"), ("all_answers", "all answers"),
    ("within", "93 to 97.5%"),
)  # fmt: skip


def exact(count: int, accuracy: float) -> tuple[float, float, float]:
    """How often the interval holds the accuracy, lies below it and lies above it, by enumeration."""
    holds = below = above = 0.0
    for right in range(count + 1):
        chance = math.comb(count, right) * accuracy**right * (1 - accuracy) ** (count - right)
        low, high = wilson(right, count) or (0.0, 1.0)
        holds += chance * (low <= accuracy <= high)
        below += chance * (high < accuracy)
        above += chance * (low > accuracy)
    return holds, below, above


def answers(count: int, accuracies: Sequence[float], draw: random.Random) -> Iterator[tuple[Given, str]]:
    """The answers of one evaluation with what judges say of them, question by question; each has one of the payload
    files, whose accuracies are given, in turn."""
    for question in range(count):
        file = question % len(accuracies)
        first = draw.random() < accuracies[file]
        for load in range(LOADS):
            right = first if load == 0 or draw.random() < ALIKE else draw.random() < accuracies[file]
            name = f"{question}-{load}"
            given = Given("model", f"{file}.jsonl", f"concurrency-{load}", f"q{question}", name, "answer")
            yield given, "correct" if right else "incorrect"


def evaluated(made: Sequence[tuple[Given, str]]) -> tuple[list[Given], Outcomes]:
    """The answers and their outcomes, by a panel of one."""
    rows = [{"subject": given.answer_id, "judge": "judge", "label": label} for given, label in made]
    return [given for given, _ in made], outcomes_of(rows, ["judge"], Thresholds(), {})


def holds(made: Sequence[tuple[Given, str]], accuracy: float) -> bool:
    """Whether the interval of the accuracy in the table holds the true one."""
    (row,) = accuracy_rows(*evaluated(made), ["experiment_name"])
    return bool(row["accuracy_low"] <= accuracy <= row["accuracy_high"])


def simulated(count: int, accuracy: float, repeats: int) -> dict[str, float]:
    """The shares of simulated evaluations whose interval holds the truth."""
    draw = random.Random(f"{count} {accuracy}")
    room = min(HARDER, 1 - accuracy)
    held = {"simulated": 0, "two_files": 0, "all_answers": 0}
    for _ in range(repeats):
        made = list(answers(count, [accuracy], draw))
        held["simulated"] += holds(made, accuracy)
        right = sum(label == "correct" for _, label in made)
        low, high = wilson(right, len(made)) or (0.0, 1.0)
        held["all_answers"] += low <= accuracy <= high
        held["two_files"] += holds(list(answers(count, [accuracy + room, accuracy - room], draw)), accuracy)
    return {name: number / repeats for name, number in held.items()}


def main(repeats: int) -> int:
    """Compute, simulate, print and write the table; 1 where the two differ by more than chance explains."""
    rows: list[dict[str, Any]] = []
    for count in QUESTIONS:
        for accuracy in ACCURACIES:
            share, below, above = exact(count, accuracy)
            row = {"questions": count, "accuracy": accuracy, "exact": share, "below": below, "above": above}
            within = "yes" if WITHIN[0] <= share <= WITHIN[1] else "no"
            rows.append({**row, **simulated(count, accuracy, repeats), "within": within})
    print_table(COLUMNS, rows)
    write_result("coverage_accuracy", {"repeats": repeats, "rows": rows})
    far = [r for r in rows if abs(r["simulated"] - r["exact"]) > 4 * math.sqrt(r["exact"] * (1 - r["exact"]) / repeats)]
    return int(bool(far))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else 2000))
