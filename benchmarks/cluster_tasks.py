"""Long work on a Ray cluster: seconds here and on two nodes of counting tokens, scoring answers, and levels' figures.

The nodes are processes of this machine (`ray.cluster_utils`) and share its cores with the driver: what is seen is that
results are the same, and what joining, sending and fetching cost; not what more machines bring. Beside them, what is
not sent to a cluster: reading many runs, by `site.py`.

    python benchmarks/cluster_tasks.py [--megabytes 8] [--answers 200] [--levels 8] [--requests 50000]

Needs Ray (`pip install 'fmbench-lib[ray]'`). Fails where a result is another than this machine's.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from made_level import MadeLevel, write_level
from output import print_table, write_result

from fmbench_lib.config.ray_settings import RaySettings
from fmbench_lib.data.tokenizers import load_tokenizer
from fmbench_lib.evaluation.given_answers import Answer
from fmbench_lib.evaluation.scoring import score_texts
from fmbench_lib.host.task_pool import TaskPool, ThisProcess
from fmbench_lib.load.cluster.cluster_tasks import ClusterPool
from fmbench_lib.load.cluster.ray_nodes import ray_cluster
from fmbench_lib.load.recording.stored_level import StoredLevel
from fmbench_lib.metrics.objectives import Objectives
from fmbench_lib.models.embedded import EMBEDDED_MODEL
from fmbench_lib.pricing.price_list import PriceList
from fmbench_lib.steps.losses import Losses
from fmbench_lib.steps.reporting.figures_elsewhere import figures_elsewhere
from fmbench_lib.steps.reporting.level_figures import measuring
from fmbench_lib.steps.reporting.parallel_figures import run_figures
from fmbench_lib.workspace import LevelKey

STORE_BYTES = 160 << 20
COLUMNS = (
    ("work", "work"),
    ("here_s", "s here"),
    ("first_s", "s on 2 nodes, joining included"),
    ("again_s", "s again"),
    ("same", "the same"),
)
Work = Callable[[TaskPool], Any]


def main() -> int:
    """Measure, print, and write; 1 where a result differs."""
    parser = argparse.ArgumentParser(description="long work here and on a Ray cluster")
    for name, value in (("megabytes", 8), ("answers", 200), ("levels", 8), ("requests", 50_000)):
        parser.add_argument(f"--{name}", type=int, default=value)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        works = {
            f"tokens of {arguments.megabytes} MB": tokens(arguments.megabytes),
            f"scores of {arguments.answers} answers of 2,000 characters": scores(arguments.answers),
            f"figures of {arguments.levels} levels of {arguments.requests:,} requests": figures(
                Path(folder), arguments.levels, arguments.requests
            ),
        }
        rows = compared(works)
    print_table(COLUMNS, rows)
    write_result("cluster_tasks", {"rows": rows})
    return 0 if all(row["same"] for row in rows) else 1


def compared(works: dict[str, Work]) -> list[dict[str, Any]]:
    """A row for each: here, then on the nodes twice."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    here = {name: timed(work, ThisProcess()) for name, work in works.items()}
    node = {"num_cpus": 1, "object_store_memory": STORE_BYTES}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    cluster.add_node(**node)
    rows = []
    try:
        for name, work in works.items():
            with ClusterPool(lambda: ray_cluster(RaySettings(cluster.address, nodes=2)), print, 0.0) as pool:
                (first_s, first), (again_s, again) = timed(work, pool), timed(work, pool)
            seconds, result = here[name]
            same = result == first == again
            rows.append({"work": name, "here_s": seconds, "first_s": first_s, "again_s": again_s, "same": same})
    finally:
        cluster.shutdown()
    return rows


def timed(work: Work, pool: TaskPool) -> tuple[float, Any]:
    """The seconds, and the result."""
    begun = time.perf_counter()
    result = work(pool)
    return time.perf_counter() - begun, result


def texts_of(words: int, count: int) -> list[str]:
    """Texts of so many words of the project's own documentation."""
    drawn, vocabulary = random.Random(7), Path(__file__).parents[1].joinpath("docs", "metrics.md").read_text().split()
    return [" ".join(drawn.choices(vocabulary, k=words)) for _ in range(count)]


def tokens(megabytes: int) -> Work:
    """Texts of 600 words, counted by the embedded model's tokenizer in batches of 256."""
    texts = texts_of(600, megabytes * 310)
    batches = [texts[start : start + 256] for start in range(0, len(texts), 256)]
    count = load_tokenizer(EMBEDDED_MODEL, folders=[]).count_many
    return lambda pool: list(pool.map(count, batches))


def scores(count: int) -> Work:
    """Answers of 400 words, each compared with one text."""
    texts = texts_of(400, 2 * count)
    answers = [
        Answer(str(number), "p", str(number), "q", (texts[2 * number],), "", texts[2 * number + 1], "answer")
        for number in range(count)
    ]
    return lambda pool: [tuple(row.values()) for row in score_texts(answers, None, pool)]


def figures(folder: Path, levels: int, requests: int) -> Work:
    """Made levels; here by this machine's processes."""
    stored = [made(folder, number, requests) for number in range(levels)]
    measured = measuring(stored, PriceList(), Objectives(latency=2.0))

    def work(pool: TaskPool) -> list[str]:
        if not pool.has_others():
            return cells(run_figures(measured, Losses()).levels)
        found, left = figures_elsewhere(measured, measured.groups(pool=True), pool)
        assert not left
        return cells(found.levels)

    return work


def cells(levels: Sequence[Any]) -> list[str]:
    """Every cell as text: NaN is equal to NaN."""
    return [repr((each.cells, each.slices, each.window, each.done, each.drawn)) for each in levels]


def made(folder: Path, number: int, requests: int) -> StoredLevel:
    """A level of made requests, in its file."""
    path = folder / f"{number}.parquet"
    key = LevelKey("made", "payload_en_1-500.jsonl", f"concurrency-{number + 1}")
    write_level(path, MadeLevel(key, requests, number, 1.7e9, concurrency=number + 1))
    return StoredLevel.at(path, 1)


if __name__ == "__main__":
    sys.exit(main())
