"""Reports and pictures of made-up runs of many sizes, to be looked at: `python tests/report/report_sizes.py OUT`.

For each number of experiments and of levels a folder with `report.md` and `figures/`, all pictures again at half size
in `half/`, and where a Chromium is installed the page as a viewer shows it: its height in screens (800 pixels, 1,200
wide) and its first screen as a picture. `--only 6x5` makes one of them.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
from conftest import inputs_of, simulated_level
from markdown_it import MarkdownIt
from PIL import Image

from fmbench_lib.metrics.decision.budgets import Budgets
from fmbench_lib.metrics.level_sample import LevelData
from fmbench_lib.report.document import render_appendix, render_markdown
from fmbench_lib.report.figures.draw import draw_figures
from fmbench_lib.report.report_data import EndpointMetrics, ReportInputs

SIZES = [(experiments, levels) for experiments in (1, 2, 6, 12) for levels in (1, 5, 30)]
"""Experiments, and levels of each."""
WIDTH, SCREEN = 1200, 800
_NAMES = ("vLLM", "SGLang", "TGI", "Triton on Neuron", "llama.cpp", "Ollama")
_STYLE = """body { margin: 0; padding: 32px; font: 16px/1.5 "DejaVu Sans Condensed" }
h1, h2 { border-bottom: 1px solid #d8dee4; padding-bottom: .3em } h1, h2, h3, h4 { margin: 24px 0 16px }
p, table, ul, pre, blockquote { margin: 0 0 16px } img { max-width: 100% }
blockquote { padding: 0 1em; border-left: .25em solid #d0d7de; color: #59636e }
table { border-collapse: collapse; display: block; width: max-content; max-width: 100%; overflow: auto }
td, th { padding: 6px 13px; border: 1px solid #d0d7de } code { font-size: 85%; background: #eff1f3 }
pre { padding: 16px; font-size: 85%; line-height: 1.45; overflow: auto; background: #f6f8fa }"""
"""As GitHub shows Markdown, as far as the height is concerned."""


def made_up_run(experiments: int, levels: int, *, payloads: int = 1, monitored: bool = False) -> ReportInputs:
    """A run in which each further experiment is a little slower, and the highest loads fail in part."""
    loads = [round(2 ** (8 * place / max(levels - 1, 1))) + place % 2 * (levels > 9) for place in range(levels)]
    loads = sorted(set(loads) | set(range(1, levels - len(set(loads)) + 300)), key=loads.count, reverse=True)[:levels]
    made = [
        simulated_level(
            _name(place),
            f"payload_en_{500 * file + 1}-{500 * file + 500}.jsonl",
            load,
            n=90,
            base=0.15 * 1.25**place * (1 + 0.6 * file),
            slots=8 + 6 * (place % 2),
            tokens=(500 * file + 1, 500 * file + 500),
            errors={"timeout": 4, "http_5xx": 2} if load > 200 else None,
            instance_type="g5.2xlarge" if place % 2 else "m7i.xlarge",
            seed=place + 1,
        )
        for file in range(payloads)
        for place in range(experiments)
        for load in sorted(loads)
    ]
    made = [later(level, 20.0 * place) for place, level in enumerate(made)]
    budgets = Budgets(latency_budget=2.0, cost_per_10k_txn_budget=20.0, error_rate_budget=0.05)
    config = "".join(f"key_{number}: value\n" for number in range(90))
    more = {"endpoint": _samples(made)} if monitored else {}
    return inputs_of(made, budgets, config_yaml=config, **more)


def later(level: LevelData, seconds: float) -> LevelData:
    """The level as if it had been measured so much later."""
    records, facts = level
    times = [name for name in ("due", "sent", "first", "first_answer", "last", "end") if name in records]
    moved = records.assign(**{name: records[name].astype(float) + seconds for name in times})
    moved["event_times"] = [None if stamps is None else stamps + seconds for stamps in moved["event_times"]]
    ends = {name: facts[name] + seconds for name in ("window_start", "window_end", "started", "ended")}
    return moved, facts | ends


def _name(place: int) -> str:
    round_, kind = divmod(place, len(_NAMES))
    return f"{_NAMES[kind]}{f' {round_ + 1}' if round_ else ''}"


def _samples(levels: list[LevelData]) -> EndpointMetrics:
    """CPU and requests of each level's server, every second."""
    series = (("host", "cpu_utilization", 80), ("vllm", "requests_running", 8))
    samples, summary = [], []
    for place, (_, facts) in enumerate(levels):
        for source, metric, most in series:
            labels = '{"machine": "endpoint"}' if source == "host" else "{}"
            times = np.arange(facts["window_start"], facts["window_end"] + 1)
            values = most * (1 - np.exp(-(1 + place % 5 + times - times[0])))
            known = {"source": source, "metric": metric, "labels": labels}
            name = facts["experiment_name"]
            samples += [
                {"time": t, "experiment": name, **known, "value": v} for t, v in zip(times, values, strict=True)
            ]
            of = {key: facts[key] for key in ("experiment_name", "payload_file", "load")}
            summary.append({**of, **known, "n": len(times), "mean": values.mean(), "max": values.max(), "total": None})
    return EndpointMetrics(samples=pd.DataFrame(samples), summary=pd.DataFrame(summary), interval=1.0)


def write(inputs: ReportInputs, folder: Path) -> Path:
    """The report with its pictures in a folder, as `fmbench report` writes them; returns its path."""
    shutil.rmtree(folder, ignore_errors=True)
    draw_figures(inputs, folder / "figures")
    (folder / "half").mkdir()
    for path in (folder / "figures").glob("*.png"):
        with Image.open(path) as picture:
            picture.resize((picture.width // 2, picture.height // 2)).save(folder / "half" / path.name)
    report = folder / "report.md"
    report.write_text(render_markdown(inputs), encoding="utf-8")
    (folder / "report_appendix.md").write_text(render_appendix(inputs), encoding="utf-8")
    return report


def page_of(report: Path) -> Path:
    """The report as a page that looks as GitHub would show it, beside it."""
    body = MarkdownIt("commonmark").enable("table").render(report.read_text(encoding="utf-8"))
    page = report.with_suffix(".page.html")
    page.write_text(f"<!doctype html><meta charset=utf-8><style>{_STYLE}</style><body>{body}", encoding="utf-8")
    return page


def screens(page: Path, chromium: str) -> float:
    """The height of the page in screens; its first screen is kept as a picture beside it."""
    script = "<script>onload = () => { document.title = 'height ' + document.documentElement.scrollHeight }</script>"
    measured = page.with_suffix(".measured.html")
    measured.write_text(page.read_text(encoding="utf-8") + script, encoding="utf-8")
    dom = _chromium(chromium, "--dump-dom", measured)
    _chromium(chromium, f"--screenshot={page.with_suffix('.png')}", page)
    return int(re.findall(r"height (\d+)", dom)[0]) / SCREEN


def _chromium(chromium: str, what: str, page: Path, height: int = SCREEN) -> str:
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size={WIDTH},{height}"]
    command = [chromium, *options, "--virtual-time-budget=5000", what, page.resolve().as_uri()]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def main() -> None:
    """Make every size, and say how long each report is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", help="a size, such as 6x5")
    asked = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    runs = {f"{e}x{n}": (e, n, 1) for e, n in SIZES} | {"30-levels": (3, 5, 2)}
    for name, (experiments, levels, payloads) in runs.items():
        if asked.only in (None, name):
            inputs = made_up_run(experiments, levels, payloads=payloads, monitored=name == "30-levels")
            report = write(inputs, asked.folder / name)
            page = page_of(report)
            height = f"{screens(page, chromium):.1f} screens" if chromium else ""
            print(f"{name}: {report.stat().st_size:,} bytes {height}", flush=True)


if __name__ == "__main__":
    main()
