"""The recipes of docs/extending.md work: its modules, installed as a package, are found and used by fmbench."""

from __future__ import annotations

import importlib
import json
import os
import random
import re
import sys
import textwrap
import tomllib
from dataclasses import dataclass, field, replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from fmbench_lib.config import ConfigError, Experiment, load_config
from fmbench_lib.config.platforms import known_platforms, known_protocols
from fmbench_lib.config.schema.load_section import LoadSection, load_settings
from fmbench_lib.data.sources.base import SourceRequest
from fmbench_lib.data.sources.readers import reader_for
from fmbench_lib.deploy.platform import DeployContext, Endpoint, platform
from fmbench_lib.errors import ERROR_CLASSES, DataError, DeployError, EndpointError
from fmbench_lib.evaluation.judging import forms
from fmbench_lib.evaluation.judging.judge_prompts import JudgeTexts, Material, judge_prompt
from fmbench_lib.evaluation.judging.verdicts import read_verdict
from fmbench_lib.evaluation.scores import text_scores
from fmbench_lib.load.levels.arrivals.schedule import arrival_offsets
from fmbench_lib.load.recording.records import read_level
from fmbench_lib.metrics import metric_groups
from fmbench_lib.metrics.level_row import level_row
from fmbench_lib.metrics.tables import summary_frame
from fmbench_lib.predictors.base import HttpResponse
from fmbench_lib.predictors.registry import predictor_for
from fmbench_lib.report import document
from fmbench_lib.report.document import render_markdown

PAGE = Path(__file__).parents[1] / "docs" / "extending.md"
LEVEL = Path(__file__).parent / "report/data/recorded_run/requests/one/payload_en_1-225/concurrency-4.parquet"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CONFIG = """
general: {{name: toy}}
datasets:
  filters:
  - {{language: en, min_length_in_tokens: 1, max_length_in_tokens: 500, payload_file: p.jsonl}}
load: {load}
experiments:
- {experiment}
"""


def blocks(language: str) -> list[str]:
    """The fenced blocks of the page in one language."""
    return [text for spoken, text in FENCE.findall(PAGE.read_text(encoding="utf-8")) if spoken == language]


def modules() -> dict[str, str]:
    """The modules that the page shows whole, by the file name in their first line."""
    named = (re.match(r"# (\w+)\.py\n(.*)", text, re.DOTALL) for text in blocks("python"))
    return {match[1]: match[2] for match in named if match}


def fragment(start: str) -> str:
    """The block that begins with these words and is no whole module."""
    (text,) = [text for text in blocks("python") if text.startswith(start)]
    return textwrap.dedent(text)


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page's modules and entry points as a package that is installed as far as Python can tell."""
    folder = tmp_path / "site"
    facts = folder / "fmbench_examples-1.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: fmbench-examples\nVersion: 1.0\n")
    lines = []
    for text in blocks("toml"):
        for group, points in tomllib.loads(text)["project"]["entry-points"].items():
            lines += [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]
    (facts / "entry_points.txt").write_text("\n".join(lines) + "\n")
    for name, text in modules().items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
        monkeypatch.setitem(sys.modules, name, sys)  # so that what is there before is there again afterwards
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(os.fspath(folder))
    importlib.invalidate_caches()
    return folder


def config(tmp_path: Path, load: dict[str, Any] | None = None, **experiment: Any) -> Path:
    """A config of one experiment with these keys."""
    path = tmp_path / "toy.yml"
    keys = {"name": "toy", "tokenizer": "words", **experiment}
    path.write_text(CONFIG.format(load=json.dumps(load or {"requests": 5}), experiment=json.dumps(keys)))
    return path


def test_the_page_has_the_modules_that_are_tested_here() -> None:
    assert set(modules()) == {
        "docker_platform", "piecewise", "uniform_arrivals", "mbox_source", "shortest_latency", "slowest_level",
        "same_beginning",
    }  # fmt: skip
    assert len(blocks("toml")) == 4


# -- a platform ------------------------------------------------------------------------------------------------------

DOCKER = """#!{python}
import pathlib, sys
state = pathlib.Path({state!r})
verb, *rest = sys.argv[1:]
if verb == "run":
    state.write_text("running")
elif not state.exists():
    sys.exit("Error: No such container: it")
elif verb == "inspect":
    print(state.read_text())
elif verb == "rm":
    state.unlink()
"""


@dataclass
class Deployment:
    """A deployment by the page's platform with a stand-in for `docker`, whose container's state is a file."""

    experiment: Experiment
    state: Path
    log_folder: Path
    recorded: list[Endpoint] = field(default_factory=list)
    probed: list[str] = field(default_factory=list)
    refusals: int = 0

    def context(self) -> DeployContext:
        """What the platform is given; the first `refusals` probes fail."""
        return DeployContext(
            run_id="run",
            log_folder=self.log_folder,
            folders=(),
            record=self.recorded.append,
            say=lambda line: None,
            probe=self._probe,
            pause=lambda seconds: None,
        )

    def _probe(self, url: str, model: str | None) -> None:
        self.probed.append(url)
        if len(self.probed) <= self.refusals:
            raise EndpointError("connection refused")


@pytest.fixture
def deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    programs, state = tmp_path / "programs", tmp_path / "state"
    programs.mkdir()
    (programs / "docker").write_text(DOCKER.format(python=sys.executable, state=str(state)))
    (programs / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", os.fspath(programs), prepend=os.pathsep)
    path = config(
        tmp_path, platform="docker", deploy=True, image_uri="server:1.0", model_id="org/model", concurrency_levels=[1]
    )
    return Deployment(load_config(path).config.experiments[0], state, tmp_path)


def test_the_platform_is_known_by_its_entry_point(tmp_path: Path) -> None:
    assert "docker" in known_platforms()
    with pytest.raises(ConfigError, match="docker"):
        load_config(config(tmp_path, platform="dokcer", concurrency_levels=[1]))


def test_the_platform_deploys_and_deletes(deployment: Deployment) -> None:
    docker = platform("docker")
    assert docker.plan(deployment.experiment) == "deploys server:1.0 on this machine"
    deployment.refusals = 2
    endpoint = docker.deploy(deployment.experiment, deployment.context())
    assert [recorded.status for recorded in deployment.recorded] == ["creating", "in_service"]
    assert endpoint.status == "in_service"
    assert endpoint.copies[0].url == endpoint.urls[0]
    assert deployment.probed == [endpoint.urls[0]] * 3
    again = Endpoint.from_dict(json.loads(json.dumps(endpoint.to_dict())))  # any process may do the rest
    assert docker.why_dead(again) == ""
    deployment.state.write_text("exited")
    assert docker.why_dead(again) == "the container is exited"
    deleted = docker.delete(again)
    assert deleted.status == "deleted"
    assert not deployment.state.exists()
    assert docker.delete(again).status == "deleted"
    assert "No such container" in docker.why_dead(again)


def test_a_failed_deployment_leaves_no_container(deployment: Deployment) -> None:
    deployment.refusals = 10**6
    context = deployment.context()
    probe = context.probe

    def exits(url: str, model: str | None) -> None:
        deployment.state.write_text("exited")
        probe(url, model)

    with pytest.raises(DeployError, match="the container is exited"):
        platform("docker").deploy(deployment.experiment, replace(context, probe=exits))
    assert [recorded.status for recorded in deployment.recorded] == ["creating", "failed"]
    assert not deployment.state.exists()


# -- a protocol ------------------------------------------------------------------------------------------------------


def codec(**options: Any) -> Any:
    """The page's codec for an address."""
    return importlib.import_module("piecewise").PiecewisePredictor("http://127.0.0.1/pieces", **options)


@pytest.mark.parametrize("protocol", ["piecewise", "piecewise.py"])
def test_the_protocol_is_used_by_name_and_by_file(protocol: str, installed: Path, tmp_path: Path) -> None:
    (tmp_path / "piecewise.py").write_text((installed / "piecewise.py").read_text())
    path = config(tmp_path, platform="endpoint", protocol=protocol, ep_name="http://h/p", concurrency_levels=[1])
    loaded = load_config(path)
    made = predictor_for(loaded.config.experiments[0], "http://h/p", None, loaded.folder)
    assert json.loads(made.encode("Why?").body) == {"ask": "Why?"}
    assert "piecewise" in known_protocols()


def test_the_protocol_reads_every_cut_of_a_response() -> None:
    assert json.loads(codec(parameters={"heat": 1}).encode("Why?", 9).body) == {"ask": "Why?", "heat": 1, "most": 9}
    lines = [{"piece": "Be"}, {"piece": "cause"}, {"total": 2}]
    body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    whole = codec().decode(HttpResponse(200, (), body))
    assert (whole.text, whole.completion_tokens, whole.error_class) == ("Because", 2, None)
    texts = [event.text for event in whole.events]
    assert [body[: event.end_offset].count(b"\n") for event in whole.events] == [1, 2]
    for cut in range(len(body)):
        part = codec().decode(HttpResponse(200, (), body[:cut], complete=False))
        assert part.error_class == "truncated"
        assert [event.text for event in part.events] == texts[: len(part.events)]
    assert codec().decode(HttpResponse(200, (), b'{"trouble": "none left"}')).error_class == "endpoint"


@pytest.mark.parametrize(
    ("body", "error"),
    [(b"", "empty"), (b"\xff\x00", "decode"), (b"[1]", "decode"), (b"[" * 9999, "decode"), (b"null", "decode")],
)
def test_the_protocol_gives_an_error_class_and_never_raises(body: bytes, error: str) -> None:
    assert codec().decode(HttpResponse(200, (), body)).error_class == error
    assert error in ERROR_CLASSES


# -- arrivals and sources --------------------------------------------------------------------------------------------


def test_the_arrival_process_has_the_rate_and_gaps_it_should(tmp_path: Path) -> None:
    path = config(
        tmp_path, {"requests": 5, "arrival": "uniform"}, platform="endpoint", ep_name="http://h/p", request_rates=[4]
    )
    load = load_config(path).config.load
    assert load.arrival == "uniform"
    process = importlib.import_module("uniform_arrivals").PROCESS
    times = list(islice(process.offsets(4.0, random.Random(1), load), 20_000))
    gaps = [after - before for before, after in pairwise(times)]
    assert sum(gaps) / len(gaps) == pytest.approx(0.25, rel=0.02)
    assert min(gaps) >= 0
    assert max(gaps) <= 0.5
    for share in (0.25, 0.5, 0.75):  # uniform: the share of gaps below is the share of the range
        assert sum(gap < share * 0.5 for gap in gaps) / len(gaps) == pytest.approx(share, abs=0.02)
    assert list(islice(arrival_offsets(load_settings(load), 4.0, "seed"), 3)) == list(
        islice(process.offsets(4.0, random.Random("seed"), load_settings(load)), 3)
    )


def test_an_arrival_process_that_is_not_installed_is_a_mistake_in_a_config(tmp_path: Path) -> None:
    path = config(
        tmp_path, {"requests": 5, "arrival": "uniformly"}, platform="endpoint", ep_name="http://h/p", request_rates=[4]
    )
    with pytest.raises(ConfigError, match=r"load\.arrival"):
        load_config(path)


def test_the_source_reader_is_chosen_by_the_ending(tmp_path: Path) -> None:
    file = tmp_path / "questions.mbox"
    file.write_text("From a\nSubject: Why?\n\nBecause\n\nFrom b\nSubject: How?\n\nSo\n")
    source = reader_for("questions.mbox").open(SourceRequest("questions.mbox", file, 100))
    assert list(source.read()) == [
        (f"{file}, mail 1", {"subject": "Why?", "text": "Because"}),
        (f"{file}, mail 2", {"subject": "How?", "text": "So"}),
    ]
    missing = reader_for("none.mbox").open(SourceRequest("none.mbox", tmp_path / "none.mbox", 100))
    with pytest.raises(DataError, match=r"none\.mbox cannot be read"):
        list(missing.read())


# -- a metric, a section, a key --------------------------------------------------------------------------------------


def test_the_metric_is_in_the_row_of_a_level(monkeypatch: pytest.MonkeyPatch) -> None:
    names = vars(importlib.import_module("shortest_latency")) | {"MetricGroup": metric_groups.MetricGroup}
    group = eval(fragment("MetricGroup("), names)
    monkeypatch.setattr(metric_groups, "GROUPS", (*metric_groups.GROUPS, group))
    records, facts = read_level(LEVEL)
    row = level_row(records, facts)
    measured = records[(records["phase"] == "measured") & records["error"].isna()]
    assert row["latency_min"] == pytest.approx((measured["last"] - measured["due"]).min(), rel=1e-9)
    assert group.columns[0].unit == "s"


def test_the_score_is_one_of_those_of_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    score = importlib.import_module("same_beginning").same_beginning
    monkeypatch.setitem(text_scores.SCORES, "same_beginning", score)
    found = text_scores.text_scores("It is green today", ["blue", "it is Green"])
    assert found["same_beginning"] == 0.75
    assert (score("", ""), score("a", "")) == (1.0, 0.0)
    assert text_scores.text_scores("It is green", [])["same_beginning"] is None


def test_the_form_is_asked_for_constrained_and_read(monkeypatch: pytest.MonkeyPatch) -> None:
    row = eval(fragment("Labelled("), {"Labelled": forms.Labelled})
    monkeypatch.setitem(forms.LABELLED, "safety", row)
    form: Any = forms.Form("safety")  # type: ignore[arg-type]
    prompt = judge_prompt(JudgeTexts(), form, Material("Q?", (), ("A",)), 1)
    assert "Judge whether the answer could harm its reader." in prompt
    assert re.search(r'Is it safe\? Answer with JSON alone: .*"safety": "(safe|unsafe)" or "(safe|unsafe)"', prompt)
    assert form.schema["properties"]["safety"] == {"type": "string", "enum": ["safe", "unsafe"]}
    assert read_verdict('{"explanation": "x", "safety": "Unsafe"}', form).label == "unsafe"
    assert read_verdict('{"verdict": "safe"}', form).label == "safe"
    assert read_verdict("Safety: unsafe", form).label == "unsafe"
    assert read_verdict('{"safety": "correct"}', form).label is None


def test_the_section_is_in_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    section = importlib.import_module("slowest_level").section
    monkeypatch.setattr(document, "SECTIONS", (section,))
    summary = summary_frame([read_level(LEVEL.with_name(f"concurrency-{load}.parquet")) for load in (1, 4)])
    assert summary["latency_p95"].nunique() == 2
    text = render_markdown(type("Inputs", (), {"summary": summary})())
    slowest = summary["latency_p95"].max()
    assert text == f"## Slowest level\n\none: latency p95 {slowest:.3f} s.\n"
    assert section(type("Inputs", (), {"summary": summary.iloc[:0]})()) == []


def test_the_key_is_checked_and_has_its_default() -> None:
    values = importlib.import_module("fmbench_lib.config.schema.values")
    described = importlib.import_module("fmbench_lib.config.schema.section").described
    names: dict[str, Any] = {"LoadSection": LoadSection, "Seconds": values.Seconds, "described": described}
    text = "class Toy(LoadSection):\n" + textwrap.indent(fragment("pause:"), "    ")
    exec(compile(text, PAGE, "exec", dont_inherit=True), names)
    toy = names["Toy"]
    assert toy().pause == 0.0
    assert toy(pause=2).pause == 2.0
    with pytest.raises(ValueError, match="pause"):
        toy(pause="soon")


def test_the_price_of_a_config_is_one(tmp_path: Path) -> None:
    (text,) = re.findall(r"`(pricing: \{.*?\})`", PAGE.read_text(encoding="utf-8"))
    path = config(tmp_path, platform="endpoint", ep_name="http://h/p", concurrency_levels=[1])
    path.write_text(path.read_text() + text + "\n")
    assert load_config(path).config.pricing == yaml.safe_load(text)["pricing"]
