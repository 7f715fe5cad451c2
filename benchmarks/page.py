"""Size of `report.html` and how soon it answers: 30 levels, 50 levels, or the pages that are given.

The page is opened from disk in headless Chromium, `--times` times each. First chart: when the first screen is drawn.
Ready: when all sections are there and every control works. CPU: what the browser's main thread did until then, which a
busy machine does not change. Needs the extra `dev` and a Chromium.

    python benchmarks/page.py [PAGE …] [--times N]
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from fmbench_lib.report.html.page_content import page_content  # noqa: E402
from fmbench_lib.report.html.page_shell import page_html  # noqa: E402
from tests.report.html.made_run import made_run  # noqa: E402


def main() -> int:
    """Measure each page, print a table and write the figures."""
    parser = argparse.ArgumentParser(description="size and time to interactive of report.html")
    parser.add_argument("pages", nargs="*", type=Path)
    parser.add_argument("--times", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pages = arguments.pages or made_pages(Path(folder))
        rows = [{"page": page.stem, "bytes": page.stat().st_size, **opened(page, arguments.times)} for page in pages]
    print(f"{'page':<12}{'kB':>8}{'first chart ms':>16}{'ready ms':>10}{'CPU ms':>8}")
    for row in rows:
        print(
            f"{row['page']:<12}{row['bytes'] / 1000:>8.0f}{row['first']:>16.0f}{row['ready']:>10.0f}{row['cpu']:>8.0f}"
        )
    results = ROOT / "benchmarks" / "results"
    results.mkdir(exist_ok=True)
    (results / "page.json").write_text(json.dumps(rows, indent=1))
    return 0


def made_pages(folder: Path) -> list[Path]:
    """Pages of made-up runs: three experiments, two payload files and five loads; five of each load."""
    sizes = {"30 levels": ["vllm", "sglang", "tgi"], "50 levels": [f"experiment {number}" for number in range(5)]}
    for name, experiments in sizes.items():
        (folder / f"{name}.html").write_text(page_html(page_content(made_run(experiments))), encoding="utf-8")
    return [folder / f"{name}.html" for name in sizes]


def opened(page: Path, times: int) -> dict[str, float]:
    """Medians over the openings, milliseconds since navigation began."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    measured: list[dict[str, float]] = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for _ in range(times):
            tab = browser.new_page(viewport={"width": 1280, "height": 800})
            session: Any = tab.context.new_cdp_session(tab)
            session.send("Performance.enable", {"timeDomain": "threadTicks"})
            tab.goto(page.resolve().as_uri())
            tab.wait_for_selector("html[data-ready]", state="attached")
            figures = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
            marks = tab.evaluate("[document.documentElement.dataset.first, document.documentElement.dataset.ready]")
            measured.append({"first": float(marks[0]), "ready": float(marks[1]), "cpu": 1000 * figures["TaskDuration"]})
            tab.close()
        browser.close()
    return {name: statistics.median(one[name] for one in measured) for name in measured[0]}


if __name__ == "__main__":
    sys.exit(main())
