"""The monitor beside real levels: it costs none of them, whatever becomes of it."""

from __future__ import annotations

import json
import math
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from fmbench_lib.config import Experiment
from fmbench_lib.deploy import Copy, Endpoint
from fmbench_lib.emulator import Behaviour, Constant, Emulator, launch
from fmbench_lib.host.process import ProcessMark
from fmbench_lib.load import measure
from fmbench_lib.load.recording.records import read_facts
from fmbench_lib.monitors.samples import Histogram, SampleWriter, reading_of
from fmbench_lib.report.sections.endpoint_machines import section
from fmbench_lib.runs.opening import create_run
from fmbench_lib.runs.run import Run
from fmbench_lib.steps import inference
from fmbench_lib.steps.data_generation import generate_data
from fmbench_lib.steps.deployment import deploy_models
from fmbench_lib.steps.measuring import monitoring
from fmbench_lib.steps.measuring.monitoring import plan_of
from fmbench_lib.steps.reporting.report_inputs import analysis_of, report_inputs

CONFIG = """
general: {{name: watched}}
s3_read_data: {{source_data_files: [source.jsonl], prompt_template_file: template.txt}}
datasets:
  prompt_template_keys: [input]
  filters: [{{min_length_in_tokens: 1, max_length_in_tokens: 500, payload_file: all.jsonl}}]
load: {{requests: 4, warmup_requests: 1, prompt_reuse: allowed}}
monitors: {monitors}
experiments:
- name: exp
  platform: endpoint
  ep_name: {url}
  tokenizer: words
  concurrency_levels: [1, 2]
"""


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with launch(Behaviour(ttft=Constant(0.02), itl=Constant(0.005), tokens=Constant(4))) as running:
        yield running


def deployed(folder: Path, url: str, monitors: str = "{interval: 0.1}") -> Run:
    """A run whose prompts are made and whose endpoint is in service."""
    (folder / "source.jsonl").write_text("".join(json.dumps({"input": f"word {n}"}) + "\n" for n in range(20)))
    (folder / "template.txt").write_text("{input}")
    config = folder / "run.yml"
    config.write_text(CONFIG.format(url=url, monitors=monitors))
    run = create_run(config, results=folder / "results")
    generate_data(run)
    deploy_models(run)
    return run


def publish_ttft(run: Run, load: str) -> None:
    """As if a vLLM server had counted five first tokens of a level, 10 ms each, and others before and after it."""
    (path,) = [path for path in run.workspace.levels_of("exp") if path.stem == load]
    facts = read_facts(path)
    begin, end = facts["started"] - facts["unix_offset"], facts["ended"] - facts["unix_offset"]
    with run.workspace.samples("exp", "made").open("w") as file:
        writer = SampleWriter(file)
        for at, total, count in ((begin - 0.01, 1.0, 40.0), (end + 0.01, 1.05, 45.0)):
            first = Histogram(total, count, ((0.02, count), (math.inf, count)))
            writer.write(at + facts["unix_offset"], at, [reading_of("vllm", "server_ttft", "histogram", "s", first)])


def test_every_level_has_the_machine_and_the_server_beside_it(tmp_path: Path, emulator: Emulator) -> None:
    run = deployed(tmp_path, emulator.url)
    table = inference.run_inference(run)
    assert table["measured"].all()
    publish_ttft(run, "concurrency-2")
    analysis = analysis_of(run)
    samples, summary = analysis.endpoint.samples, analysis.endpoint.summary
    assert {"host", "monitor", "emulator", "vllm"} == set(samples["source"])
    assert set(summary["load"]) == {"concurrency-1", "concurrency-2"}
    finished = summary[summary["metric"] == "requests_finished"].set_index("load")["total"]
    assert dict(finished) == {"concurrency-1": 5, "concurrency-2": 6}, "those of the level and its warm-up, all of them"
    report = "\n".join(section(report_inputs(run, analysis)))
    (line,) = [line for line in report.splitlines() if "6 / 5" in line]
    assert "| concurrency 2 |" in line
    assert "| 10.0 ms |" in line, "the server's mean"
    assert not [one for one in psutil.Process().children() if "monitors.sampler" in " ".join(one.cmdline())]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_monitor_that_is_killed_or_hangs_costs_no_level(
    tmp_path: Path, emulator: Emulator, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = deployed(tmp_path, emulator.url)
    monkeypatch.setattr(monitoring, "_MARK_S", 0.3)
    struck: list[int] = []

    def measure_level(*given: Any, **more: Any) -> dict[str, Any]:
        if not struck:
            (child,) = [one for one in psutil.Process().children() if "monitors.sampler" in " ".join(one.cmdline())]
            child.send_signal(number)
            struck.append(child.pid)
        return measure.measure_level(*given, **more)

    monkeypatch.setattr(inference, "measure_level", measure_level)
    table = inference.run_inference(run)
    assert table["measured"].all()
    assert (table["requests"] == 4).all()
    assert (table["errors"] == 0).all()
    assert not psutil.pid_exists(struck[0])
    endpoint = analysis_of(run).endpoint
    assert "concurrency-2" in set(endpoint.summary["load"]), "another one took its place"
    how = "was killed by signal 9" if number == signal.SIGKILL else "did not answer within 0.3 s and was stopped"
    assert [text for _, text in endpoint.notes] == [f"monitor: the monitor {how}"]


def test_a_page_that_never_answers_costs_no_level(tmp_path: Path, emulator: Emulator) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        page = f"http://127.0.0.1:{silent.getsockname()[1]}/metrics"
        run = deployed(tmp_path, emulator.url, f"{{interval: 0.1, prometheus: '{page}'}}")
        table = inference.run_inference(run)
    assert table["measured"].all()
    endpoint = analysis_of(run).endpoint
    assert set(endpoint.samples["source"]) == {"host", "monitor"}
    ((name, note),) = endpoint.notes
    assert (name, "has not answered for" in note) == ("exp", True)


def test_nothing_is_sampled_where_nothing_is_wanted(tmp_path: Path, emulator: Emulator) -> None:
    run = deployed(tmp_path, emulator.url, "{enabled: no}")
    assert inference.run_inference(run)["measured"].all()
    assert not run.workspace.endpoint_metrics.exists()
    analysis = analysis_of(run)
    assert analysis.endpoint.samples.empty
    assert "Monitors are switched off" in "".join(section(report_inputs(run, analysis)))


# -- what is sampled -------------------------------------------------------------------------------------------------


def plan(
    run: Run, address: str, platform: str = "endpoint", protocol: str = "openai", copies: tuple[Copy, ...] = ()
) -> dict[str, Any]:
    experiment = Experiment(name="exp", platform=platform, protocol=protocol, deploy=False)
    endpoint = Endpoint("exp", platform, urls=(address,), copies=copies)
    return plan_of(run, experiment, endpoint, (address,))


def test_what_is_sampled_depends_on_where_the_endpoint_is(tmp_path: Path, emulator: Emulator) -> None:
    run = deployed(tmp_path, emulator.url)
    url = "http://127.0.0.1:8000/v1/chat/completions"
    here = plan(run, url, "local", copies=(Copy(url, process=ProcessMark(7, started=90.0, booted=50.0)),))
    assert (here["machine"], here["nvidia"]) == ("endpoint", "auto")
    assert here["processes"] == [{"pid": 7, "age": 40.0, "labels": {"copy": "0"}}]
    assert [page["url"] for page in here["pages"]] == ["http://127.0.0.1:8000/metrics"]
    there = plan(run, "https://there.example/v1/chat/completions")
    assert (there["machine"], there["nvidia"], there["neuron"]) == ("client", "no", "no")
    assert [page["url"] for page in there["pages"]] == ["https://there.example/metrics"]
    triton = plan(run, "http://there:8000/v2/models/m/generate_stream", protocol="triton")
    assert [page["url"] for page in triton["pages"]] == ["http://there:8000/metrics", "http://there:8002/metrics"]
    behind = plan(run, "http://127.0.0.1:80/v1", "ec2", copies=(Copy("http://127.0.0.1:8081/v1"),))
    assert [page["url"] for page in behind["pages"]] == ["http://127.0.0.1:8081/metrics"]
    copy = Copy("http://127.0.0.1:8081/v1", metrics_url="http://127.0.0.1:9001/metrics")
    balanced = plan(run, "http://127.0.0.1:80/v1", "ec2", copies=(copy,))
    assert [page["url"] for page in balanced["pages"]] == ["http://127.0.0.1:9001/metrics"]
    assert plan(run, "https://runtime.sagemaker/x", "sagemaker")["pages"] == []


def accelerators(run: Run, *copies: list[str], platform: str = "ec2") -> tuple[Any, ...]:
    """What is sampled of the accelerators of an endpoint whose copies have these."""
    behind = tuple(Copy("http://127.0.0.1:8081/v1", devices=tuple(devices)) for devices in copies)
    endpoint = Endpoint("exp", platform, urls=("http://127.0.0.1:80/v1",), copies=behind)
    experiment = Experiment(name="exp", platform=platform, protocol="openai", deploy=False)
    made = plan_of(run, experiment, endpoint, endpoint.urls)
    return tuple(made[name] for name in ("nvidia", "nvidia_devices", "neuron", "neuron_devices"))


def test_the_accelerators_of_the_copies_are_sampled_where_they_are_known(tmp_path: Path, emulator: Emulator) -> None:
    run = deployed(tmp_path, emulator.url)
    assert accelerators(run, ["nvidia 6", "nvidia 7"], ["nvidia 4", "nvidia 5"]) == ("auto", [4, 5, 6, 7], "no", None)
    assert accelerators(run, ["neuron 10"]) == ("no", None, "auto", [10])
    assert accelerators(run, []) == ("no", None, "no", None), "on the CPU: what others do with the GPUs is not of it"
    assert accelerators(run) == ("auto", None, "auto", None), "a server that was there before"


def test_who_asks_for_gpus_gets_all_where_the_copies_have_none(tmp_path: Path, emulator: Emulator) -> None:
    run = deployed(tmp_path, emulator.url, "{nvidia: yes}")
    assert accelerators(run, [])[:2] == ("yes", None)
