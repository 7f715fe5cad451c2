"""What a report says of machines and servers: figures by level, the picture, both sides' TTFT, what is missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from fmbench_lib.report.document import render_markdown
from fmbench_lib.report.figures.machine import draw_machine, pictures
from fmbench_lib.report.figures.style import styled
from fmbench_lib.report.report_data import EndpointMetrics, ReportInputs
from fmbench_lib.report.sections.endpoint_machines import levels_table, section, ttft_table

KEY = ["experiment_name", "payload_file", "load"]


def machine(inputs: ReportInputs, **more: Any) -> ReportInputs:
    """The inputs with a machine and a vLLM server beside their levels."""
    samples, rows, first = [], [], []
    for level in inputs.summary.to_dict("records"):
        key = [level[name] for name in KEY]
        times = np.arange(level["window_start"] - 1, level["window_end"] + 1, 0.5)
        for source, metric, value, unit, labels in (
            ("host", "cpu_utilization", 62.5, "percent", '{"machine": "endpoint"}'),
            ("nvidia", "gpu_utilization", 95.0, "percent", '{"gpu": "0"}'),
            ("nvidia", "gpu_memory_used", 20 * 2**30, "bytes", '{"gpu": "0"}'),
            ("vllm", "requests_running", 4.0, "requests", '{"copy": "0"}'),
            ("vllm", "requests_running", 2.0, "requests", '{"copy": "1"}'),
            ("vllm", "kv_cache_usage", 0.25, "ratio", '{"copy": "0"}'),
            ("vllm", "prefix_cache_hits", 0.5, "ratio", '{"copy": "0"}'),
            ("vllm", "preemptions", 0.1, "preemptions/s", '{"copy": "0"}'),
        ):
            samples += [(time, key[0], source, metric, labels, value, unit) for time in times]
            figures = dict.fromkeys(("mean", "min", "p50", "p95", "max", "last"), value)
            total = 3.0 if metric == "preemptions" else None
            rows.append({**dict(zip(KEY, key, strict=True)), "source": source, "metric": metric, "labels": labels,
                         "n": len(times), **figures, "total": total, "unit": unit})  # fmt: skip
        first.append([*key, 84, 0.212, 0.4, 84, 0.2, 0.39])
    columns = ["time", "experiment", "source", "metric", "labels", "value", "unit"]
    measures = ["client_n", "client_mean", "client_p95", "server_n", "server_mean", "server_p95"]
    facts = {
        "samples": pd.DataFrame(samples, columns=columns),
        "summary": pd.DataFrame(rows),
        "ttft": pd.DataFrame(first, columns=[*KEY, *measures]),
        "interval": 0.5,
    }
    return ReportInputs(
        **{name: getattr(inputs, name) for name in inputs.__dataclass_fields__ if name != "endpoint"},
        endpoint=EndpointMetrics(**(facts | more)),
    )


def test_a_level_has_the_figures_that_there_are_and_no_others(quickstart: ReportInputs) -> None:
    table = levels_table(machine(quickstart))
    assert len(table) == len(quickstart.summary)
    row = table.iloc[0]
    assert row["CPU"] == "62% (max 62%)"
    assert row["GPU memory"] == "20.0 GiB"
    assert row["requests running"] == "6.00 (max 6.00)", "of both copies"
    assert (row["KV cache, max"], row["prefix cache hits"], row["preemptions"]) == ("25%", "50%", "3")
    assert not {"NeuronCores", "requests waiting", "model latency"} & set(table.columns)


def test_a_level_that_was_not_sampled_has_dashes(quickstart: ReportInputs) -> None:
    inputs = machine(quickstart)
    last = quickstart.summary.iloc[-1]
    summary = inputs.endpoint.summary
    kept = summary[~(summary[KEY] == [last[name] for name in KEY]).all(axis=1)]
    table = levels_table(machine(quickstart, summary=kept))
    assert (table.iloc[:, 3:] == "–").all(axis=1).sum() == 1


def test_both_sides_of_ttft_stand_side_by_side(quickstart: ReportInputs) -> None:
    row = ttft_table(machine(quickstart)).iloc[0]
    assert (row["client mean"], row["server mean"], row["difference"]) == ("0.212 s", "0.200 s", "12.0 ms")
    assert (row["n client / server"], row["server p95"]) == ("84 / 84", "≈ 0.390 s")


def test_a_server_without_a_ttft_is_said_to_have_none(quickstart: ReportInputs) -> None:
    none = {"a|b": "llama.cpp's server publishes no time to first token"}
    text = "\n".join(section(machine(quickstart, ttft=pd.DataFrame(), no_ttft=none)))
    assert "publishes no time to first token, so there is none to compare with the client's." in text
    assert "a\\|b" in text


def test_what_the_monitor_noted_is_told_and_cannot_break_the_page(quickstart: ReportInputs) -> None:
    notes = [("exp", "metrics page: <b>HTTP 500</b> | `x`")] + [("exp", f"note {n}") for n in range(40)]
    report = render_markdown(machine(quickstart, notes=notes))
    assert "… and 21 more" in report
    assert "| <b>" not in report.replace("\\|", "")


def test_nothing_sampled_is_said(quickstart: ReportInputs) -> None:
    assert "Monitors are switched off" in "".join(section(quickstart))


def test_the_picture_shades_every_level_and_names_its_load(quickstart: ReportInputs) -> None:
    from matplotlib.patches import Rectangle
    from matplotlib.text import Text

    inputs = machine(quickstart)
    with styled():
        figure = draw_machine(inputs, "smollm2-llama.cpp")
        figure.draw_without_rendering()
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["CPU (%)", "accelerators (%)", "memory (GiB)", "requests", "caches (%)"]
    shades = [one for one in figure.axes[0].patches if isinstance(one, Rectangle)]
    assert len(shades) == len(inputs.summary)
    written = {text.get_text() for text in figure.findobj(Text)}
    assert {"en_1-300", "en_300-500"} <= written
    assert figure.axes[3].lines[0].get_ydata()[3] == 6


def test_every_experiment_has_a_picture_of_its_own(
    build: Callable[..., ReportInputs], simulate: Callable[..., Any]
) -> None:
    inputs = machine(build([simulate("one"), simulate("two", seed=2)]))
    assert pictures(inputs) == {"one": "endpoint_metrics.png", "two": "endpoint_metrics-2.png"}
    assert "(figures/endpoint_metrics-2.png)" in render_markdown(inputs)
