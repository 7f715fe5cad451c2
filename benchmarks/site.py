"""The site of 200 runs: how long it takes to make, how large it is, and how soon it answers in a browser.

The runs are made from a recorded one (`tests/report/site/made_results.py`): two experiments, two payload files and
four loads each, every one with a report of its own. The page is opened from disk in headless Chromium, `--times`
times. First chart: when the first screen is drawn. Ready: when all sections are there and every control works. CPU:
what the browser's main thread did until then. Filter: from a choice of a model until every section shows it. Needs
the extra `dev` and a Chromium.

    python benchmarks/site.py [--runs N] [--times N] [--keep DIR]
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from fmbench_lib.report.html.page_content import page_content  # noqa: E402
from fmbench_lib.report.html.page_shell import page_html  # noqa: E402
from fmbench_lib.runs.index.run_index import known_runs, place_of_results  # noqa: E402
from fmbench_lib.steps.making_site import make_site  # noqa: E402
from tests.report.html.made_run import made_run  # noqa: E402
from tests.report.site.made_results import made_results  # noqa: E402

FILTER = """() => {
  const labels = [...document.querySelectorAll('#filters label')];
  const select = labels.find((label) => label.textContent.startsWith('Model')).querySelector('select');
  const begun = performance.now();
  select.value = select.options[1].value;
  select.dispatchEvent(new Event('change'));
  document.body.offsetHeight;
  return performance.now() - begun;
}"""


def main() -> int:
    """Make the runs and the site, open it, print the figures and write them; 1 where the browser found anything."""
    parser = argparse.ArgumentParser(description="size and speed of the site of many runs")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--keep", type=Path, help="leave results and site in this new folder")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = arguments.keep or Path(folder)
        made_results(work / "results", arguments.runs, page_html(page_content(made_run())).encode())
        figures = {"runs": arguments.runs, **made(work), **opened(work / "site" / "index.html", arguments.times)}
    for name, value in figures.items():
        print(f"{name:<24}{value:>12,.2f}" if isinstance(value, float) else f"{name:<24}{value!s:>12}")
    results = ROOT / "benchmarks" / "results"
    results.mkdir(exist_ok=True)
    (results / "site.json").write_text(json.dumps(figures, indent=1))
    return 1 if figures["problems"] or figures["requests"] != 1 else 0


def made(work: Path) -> dict[str, Any]:
    """Seconds of the index, new and known, and of the site, and its bytes."""
    place = place_of_results(work / "results")
    seconds: list[float] = []
    for step in (lambda: known_runs(place), lambda: known_runs(place), lambda: make_site(place, work / "site", "Runs")):
        begun = time.monotonic()
        step()
        seconds.append(time.monotonic() - begun)
    files = [path for path in (work / "site").rglob("*") if path.is_file()]
    return {
        "index anew s": seconds[0],
        "index known s": seconds[1],
        "site s": seconds[2],
        "page kB": (work / "site" / "index.html").stat().st_size / 1000,
        "all files MB": sum(path.stat().st_size for path in files) / 1e6,
        "files": len(files),
    }


def opened(page: Path, times: int) -> dict[str, Any]:
    """Medians over the openings, ms since navigation began; what the console said and how many files were asked for."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    measured: list[dict[str, float]] = []
    problems: list[str] = []
    requests: list[str] = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for _ in range(times):
            tab = browser.new_page(viewport={"width": 1280, "height": 800})
            tab.on("console", lambda message: problems.append(message.text))
            tab.on("pageerror", lambda error: problems.append(str(error)))
            tab.on("request", lambda request: requests.append(request.url))
            session: Any = tab.context.new_cdp_session(tab)
            session.send("Performance.enable", {"timeDomain": "threadTicks"})
            tab.goto(page.resolve().as_uri())
            tab.wait_for_selector("html[data-ready]", state="attached")
            figures = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
            first, ready = tab.evaluate(
                "[document.documentElement.dataset.first, document.documentElement.dataset.ready].map(Number)"
            )
            cpu, filtered = 1000 * figures["TaskDuration"], tab.evaluate(FILTER)
            measured.append({"first chart ms": first, "ready ms": ready, "CPU ms": cpu, "filter ms": filtered})
            tab.close()
        browser.close()
    medians: dict[str, Any] = {name: float(statistics.median(one[name] for one in measured)) for name in measured[0]}
    return {**medians, "requests": len(set(requests)), "problems": len(problems)}


if __name__ == "__main__":
    sys.exit(main())
