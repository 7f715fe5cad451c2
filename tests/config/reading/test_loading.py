from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from fmbench_lib.config import Config, ConfigError, LoadedConfig, load_config, validate_paths
from fmbench_lib.errors import InputError

Load = Callable[..., LoadedConfig]
Mistakes = Callable[..., dict[str, str]]

OWN = {"results_dir": "run-7", "model_id": "org/model", "tp_degree": "2", "cli_params": "--max-len 100"}


def test_a_minimal_config_needs_under_25_lines_and_gets_every_default(load: Load, minimal: str) -> None:
    assert len(minimal.splitlines()) < 25
    loaded = load(minimal)
    config = loaded.config
    assert loaded.notices == ()
    assert config.general.model_name == "mini"
    assert config.general.seed == 1
    assert config.run_steps == dict.fromkeys(
        [
            "0_setup",
            "1_generate_data",
            "2_deploy_model",
            "3_run_inference",
            "4_model_metric_analysis",
            "5_cleanup",
        ],
        True,
    )
    assert config.pricing == "pricing.yml"
    assert (config.report.latency_budget, config.report.cost_per_10k_txn_budget) == (None, None)
    assert config.report.error_rate_budget == 0
    assert config.load.warmup_requests == 8
    (experiment,) = config.experiments
    assert (experiment.protocol, experiment.deploy, experiment.inference_spec.stream) == ("openai", False, True)


def test_less_still_is_enough_for_the_local_platform(load: Load) -> None:
    text = "general: {name: n}\ndatasets: {filters: [{max_length_in_tokens: 300}]}\n"
    config = load(text + "experiments: [{platform: local, concurrency_levels: [1]}]").config
    (experiment,) = config.experiments
    assert experiment.payload_files == ["payload_en_1-300.jsonl"] == [config.datasets.filters[0].payload_file]
    assert (experiment.name, experiment.model_id) == ("smollm2-135m-instruct", "smollm2-135m-instruct")
    assert (experiment.instance_type, experiment.deploy, experiment.local.parallel) == ("local-cpu", True, 4)


def test_configs_are_values(load: Load, minimal: str) -> None:
    with pytest.raises(ValueError, match="frozen"):
        load(minimal).config.general.name = "other"  # type: ignore[misc]


def test_path_and_folder_tell_where_a_config_came_from(tmp_path: Path, minimal: str) -> None:
    path = tmp_path / "mine.yml"
    path.write_text("\ufeff" + minimal, encoding="utf-8")
    loaded = load_config(path)
    assert (loaded.path, loaded.folder) == (path.resolve(), tmp_path.resolve())


@pytest.mark.parametrize(
    ("text", "complaint"), [("", "empty"), ("path/to/other.yml", "not a config"), ("- 1", "not a config")]
)
def test_a_file_that_is_not_a_config_is_one_problem(mistakes: Mistakes, text: str, complaint: str) -> None:
    (message,) = mistakes(text).values()
    assert complaint in message
    assert "general" in message


def test_a_missing_file_and_bytes_that_are_not_text_are_input_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither a file nor a shipped config"):
        load_config(tmp_path / "nothing.yml")
    (tmp_path / "binary.yml").write_bytes(b"a: \xff\xfe")
    with pytest.raises(ConfigError, match="UTF-8"):
        load_config(tmp_path / "binary.yml")


def test_several_mistakes_are_all_reported_one_line_each(mistakes: Mistakes, minimal: str) -> None:
    found = mistakes(
        minimal.replace("  name: mini", "  nmae: mini")
        + "report: {latency_budget: fast, eror_rate_budget: 0}\nload: {duration: -1, timout: 3}\n"
    )
    assert set(found) == {
        "general.nmae",
        "report.latency_budget",
        "report.eror_rate_budget",
        "load.duration",
        "load.timout",
    }
    assert "did you mean timeout?" in found["load.timout"]


def test_missing_sections_say_what_to_write(mistakes: Mistakes) -> None:
    found = mistakes("aws: {region: us-east-1}")
    assert set(found) == {"general", "datasets", "experiments"}
    assert "name: my-benchmark" in found["general"]


def test_a_misspelt_key_is_not_reported_as_missing_too(mistakes: Mistakes, minimal: str) -> None:
    assert list(mistakes(minimal.replace("platform:", "platfrom:"))) == ["experiments[0].platfrom"]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("general: 5\n", "general"),
        ("datasets: {filters: {a: 1}}\n", "datasets.filters"),
        ("datasets: {filters: [5]}\n", "datasets.filters[0]"),
        ("experiments: {name: x}\n", "experiments"),
        ("experiments: [text]\n", "experiments[0]"),
        ("load: often\n", "load"),
        ("inference_parameters: [1]\n", "inference_parameters"),
        ("run_steps: all\n", "run_steps"),
        ("aws: [a]\n", "aws"),
    ],
)
def test_a_section_of_the_wrong_shape_is_one_problem(mistakes: Mistakes, minimal: str, text: str, key: str) -> None:
    section = text.split(":")[0]
    sections = {name: value for name, value in yaml.safe_load(minimal).items() if name != section}
    found = mistakes(yaml.safe_dump(sections) + text)
    assert list(found) == [key]
    assert "write" in found[key]


class TestValidatePaths:
    def test_folders_are_searched_and_each_file_stands_for_itself(self, tmp_path: Path, minimal: str) -> None:
        (tmp_path / "deep").mkdir()
        (tmp_path / "deep" / "good.yaml").write_text(minimal)
        (tmp_path / "bad.yml").write_text("general: {}\n")
        (tmp_path / "prices.yml").write_text("pricing: {instance_based: {x: 1}}\n")
        (tmp_path / "judges.yml").write_text("model_evaluations: {ground_truth_col: {ground_truth}}\n")
        (tmp_path / "manifest.yml").write_text("apiVersion: v1\nkind: Service\n---\napiVersion: v1\nkind: Pod\n")
        (tmp_path / "torn.yml").write_text("general: {name: x\nexperiments: []\n")
        (tmp_path / "note.txt").write_text("x")
        found = {checked.path.name: checked for checked in validate_paths([tmp_path])}
        assert set(found) == {"good.yaml", "bad.yml", "prices.yml", "judges.yml", "manifest.yml", "torn.yml"}
        assert found["manifest.yml"].problems == ()
        assert found["torn.yml"].problems, "broken, but a config"
        assert found["good.yaml"].problems == ()
        assert found["bad.yml"].problems
        assert found["prices.yml"].problems == (), "a price file beside configs is no config"
        assert "not checked" in found["prices.yml"].notices[0].message

    def test_a_file_that_is_named_must_be_a_config(self, tmp_path: Path) -> None:
        (tmp_path / "prices.yml").write_text("pricing: {instance_based: {x: 1}}\n")
        for path in (tmp_path / "prices.yml", tmp_path / "missing.yml"):
            (checked,) = validate_paths([path])
            assert checked.problems

    def test_arguments_fill_placeholders(self, data: Path) -> None:
        path = data / "ec2_placeholders.yml"
        (unfilled,), (filled,) = validate_paths([path]), validate_paths([path], OWN)
        assert (unfilled.problems, filled.problems) == ((), ())
        assert all(f"-A {name}=VALUE" in unfilled.notices[0].message for name in ("results_dir", "tp_degree"))
        with pytest.raises(ConfigError, match="-A tp_degree=VALUE"):
            load_config(path)

    def test_open_placeholders_hide_no_other_mistake(self, data: Path, tmp_path: Path) -> None:
        text = (data / "ec2_placeholders.yml").read_text()
        (tmp_path / "config.yml").write_text(text.replace("general:", "generall:"))
        (checked,) = validate_paths([tmp_path / "config.yml"])
        assert "did you mean general?" in str(checked.problems[0])
        (tmp_path / "config.yml").write_text(text.replace("{tp_degree}", "{regoin}"))
        (checked,) = validate_paths([tmp_path / "config.yml"])
        assert [problem.message for problem in checked.problems] == [
            "the placeholder {regoin} is not known here; did you mean {region}?"
        ]


def test_the_examples_all_load(data: Path) -> None:
    assert all(not checked.problems for checked in validate_paths([data], OWN))


def test_config_is_described_by_its_schema_alone(load: Load, minimal: str) -> None:
    assert isinstance(load(minimal).config, Config)


@pytest.mark.parametrize(
    "wrong",
    [
        "inference_spec: {parameters: {api_key: hunter2hunter2}}\n  concurrency_levels: hunter2hunter2",
        "inference_spec: {headers: {X-Gate: hunter2hunter2}}\n  protocol: hunter2hunter2",
        "concurrency_levels: sk-hunter2hunter2hunter2",
    ],
)
def test_a_problem_does_not_repeat_a_secret(minimal: str, load: Load, wrong: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(minimal.replace("  concurrency_levels: [1, 4]\n", "") + f"  {wrong}\n")
    assert "hunter2" not in str(caught.value)
    assert "<removed>" in str(caught.value)
