"""How often `fmbench compare` says a difference where there is none, and finds a regression that is there: real runs.

    python benchmarks/regressions.py FOLDER [SETTING …]

measures pairs of runs against emulators of known speed, by the steps of a run, compares each pair by the command, and
prints a table: of the pairs that could be compared in a figure, how many were called different, corrected for all
figures of the comparison (`alarms`: any of them) and each by itself, and in how many the interval holds what is true.
FOLDER keeps the runs, and a line for each pair in `pairs.jsonl` and `comparisons.jsonl`: what stands there is not
done again, so that an interrupted benchmark goes on. Without a SETTING all are measured, which takes about an hour.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from output import print_table, write_result
from paired_runs import ITL, PRICE_PER_HOUR, TTFT, Pair, Setting, comparison_of, measured_pairs

PLANTED = (0.0, 0.05, 0.10)
SETTINGS = {
    setting.name: (setting, pairs)
    for setting, pairs in (
        (Setting("planted, closed", 1000, concurrency=16, slower=PLANTED), 12),
        (Setting("equal, closed", 200, concurrency=6), 50),
        (Setting("planted, open", 1000, request_rate=240.0, slower=PLANTED), 12),
        (Setting("drift, in turns", 200, concurrency=6, drift=0.1), 12),
        (Setting("drift, one after the other", 200, concurrency=6, drift=0.1, in_turns=False), 8),
    )
}
FIGURES = ("latency_p50", "latency_p95", "TTFT_p95", "transactions_per_minute", "price_per_10k_txn")
FIRST_GUESS_S = 20.0
DRAWS = 1_000_000


def measure_and_compare(names: Sequence[str], folder: Path) -> None:
    """Measure what is not yet measured, a pair after the other, and compare each beside the next one's measurement."""
    done = {(one["setting"], one["number"], one["slower"]) for one in _lines(folder / "comparisons.jsonl")}
    measured = [_pair(one) for one in _lines(folder / "pairs.jsonl")]
    with ProcessPoolExecutor(1, get_context("spawn")) as comparing:
        waiting = [
            _compared(comparing, pair) for pair in measured if (pair.setting, pair.number, pair.slower) not in done
        ]
        for name in names:
            setting, count = SETTINGS[name]
            seconds = FIRST_GUESS_S
            for number in range(count):
                if any(pair.setting == name and pair.number == number for pair in measured):
                    continue
                pairs, seconds = measured_pairs(setting, number, folder, seconds)
                _write(folder / "pairs.jsonl", [json.loads(json.dumps(asdict(pair), default=str)) for pair in pairs])
                waiting += [_compared(comparing, pair) for pair in pairs]
                waiting = _written(waiting, folder)
        while waiting:
            waiting[0].result()
            waiting = _written(waiting, folder)


def _compared(comparing: ProcessPoolExecutor, pair: Pair) -> Future[dict[str, Any]]:
    return comparing.submit(comparison_of, pair, levels=pair.setting == "equal, closed")


def _written(waiting: list[Future[dict[str, Any]]], folder: Path) -> list[Future[dict[str, Any]]]:
    """Write the comparisons that have ended; those that have not."""
    _write(folder / "comparisons.jsonl", [one.result() for one in waiting if one.done()])
    return [one for one in waiting if not one.done()]


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _write(path: Path, documents: Sequence[dict[str, Any]]) -> None:
    with path.open("a") as file:
        file.writelines(json.dumps(document) + "\n" for document in documents)


def _pair(line: dict[str, Any]) -> Pair:
    return Pair(**{**line, "base": Path(line["base"]), "new": Path(line["new"])})


def rows(comparisons: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """A row for each setting and how much slower the second server is."""
    for key in dict.fromkeys((one["setting"], one["slower"]) for one in comparisons):
        chosen = [one for one in comparisons if (one["setting"], one["slower"]) == key]
        said = [{one["outcome"] for one in (*pair["claims"], *pair["ranks"])} for pair in chosen]
        yield {
            "setting": key[0],
            "slower": key[1],
            "pairs": len(chosen),
            "alarms": sum(bool(one & {"better", "worse"}) for one in said) / len(chosen),
            "exit 1": _share([one["exit_code"] == 1 for one in chosen]),
            "exit 1, alone": _share([one["exit_code_alone"] == 1 for one in chosen]),
            "codes agree": all(_agree(one) for one in chosen),
            **{part: share for name in FIGURES for part, share in _of_figure(name, chosen, _true(name, *key)).items()},
        }


def _agree(comparison: dict[str, Any]) -> bool:
    """Whether both exit codes are 1 where p95 is called worse, and else 0."""
    codes = ((comparison["claims"], comparison["exit_code"]), (comparison["alone"], comparison["exit_code_alone"]))
    return all(
        code == int(any(one["outcome"] == "worse" for one in claims if one["measure"] == "latency_p95"))
        for claims, code in codes
    )


def _true(name: str, setting: str, slower: float) -> float:
    """The true change of a figure. In an open loop the load decides the throughput, and with it the price."""
    if name in ("transactions_per_minute", "price_per_10k_txn") and SETTINGS[setting][0].request_rate:
        return 0.0
    return 1 / (1 + slower) - 1 if name == "transactions_per_minute" else slower


def _of_figure(name: str, comparisons: Sequence[dict[str, Any]], true: float) -> dict[str, float]:
    claims = [claim for one in comparisons for claim in one["claims"] if claim["measure"] == name]
    effects = [claim["effect"] for claim in claims if claim["effect"]]
    return {
        f"{name} compared": len(effects) / len(claims),
        f"{name} said": _share([claim["outcome"] in ("better", "worse") for claim in claims if claim["effect"]]),
        f"{name} alone": _share([effect["p"] < 0.05 for effect in effects]),
        f"{name} held": _share([effect["low"] <= true <= effect["high"] for effect in effects]),
    }


def level_rows(comparisons: Sequence[dict[str, Any]], concurrency: int) -> Iterator[dict[str, Any]]:
    """For each figure of the levels of equal servers, how many have an interval, and how many of these hold.

    `truth`: by the distribution that the server draws from. On a busy machine a server writes later than it means to:
    `excess` says by how much the typical figure lies above, `held typical` how many hold that one.
    """
    generator = np.random.default_rng(1)
    ttft = _drawn(generator, TTFT.mean, TTFT.deviation)
    latency = ttft + _drawn(generator, ITL.mean, ITL.deviation)
    rate = 60 * concurrency / (TTFT.mean + ITL.mean)
    truth = {
        **{f"latency_{name}": float(np.quantile(latency, q)) for name, q in (("p50", 0.5), ("p95", 0.95))},
        **{f"TTFT_{name}": float(np.quantile(ttft, q)) for name, q in (("p50", 0.5), ("p95", 0.95))},
        "transactions_per_minute": rate,
        "price_per_10k_txn": 10_000 * PRICE_PER_HOUR / 60 / rate,
    }
    levels = [level for one in comparisons for level in one["levels"]]
    for name, true in truth.items():
        known = [level[name] for level in levels if level[name][1] is not None and level[name][2] is not None]
        typical = float(np.exp(np.mean(np.log([level[name][0] for level in levels]))))
        yield {
            "figure": name,
            "truth": true,
            "levels": len(levels),
            "published": len(known) / len(levels),
            "held": _share([low <= true <= high for _, low, high in known]),
            "excess": typical / true - 1,
            "held typical": _share([low <= typical <= high for _, low, high in known]),
            "width": float(np.median([(high - low) / value for value, low, high in known])) if known else float("nan"),
        }


def _drawn(generator: np.random.Generator, mean: float, deviation: float) -> Any:
    variance = np.log1p((deviation / mean) ** 2)
    return generator.lognormal(np.log(mean) - variance / 2, np.sqrt(variance), DRAWS)


def _share(answers: Sequence[bool]) -> float:
    return sum(answers) / len(answers) if answers else float("nan")


def main(argv: Sequence[str]) -> int:
    folder, names = Path(argv[0]), argv[1:] or list(SETTINGS)
    folder.mkdir(parents=True, exist_ok=True)
    measure_and_compare(names, folder)
    comparisons = _lines(folder / "comparisons.jsonl")
    found, levels = list(rows(comparisons)), []
    for row in found:
        print("\n".join(f"{name:32} {value}" for name, value in row.items()), end="\n\n")
    if measured := [one for one in comparisons if one["levels"]]:
        levels = list(level_rows(measured, 6))
        print_table([(key, key) for key in levels[0]], levels)
    write_result("regressions", {"rows": found, "levels": levels})
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
