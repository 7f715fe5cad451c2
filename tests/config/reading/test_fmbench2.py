from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fmbench_lib.config import STEPS, LoadedConfig, load_config

Load = Callable[..., LoadedConfig]
Mistakes = Callable[..., dict[str, str]]

SIX = ["setup", "generate_data", "deploy_model", "run_inference", "model_metric_analysis", "cleanup"]
SEVEN = [*SIX[:4], "get_evaluations", *SIX[4:]]


def steps(names: list[str], ending: str, off: tuple[str, ...] = ()) -> str:
    lines = [f"  {i}_{name}{ending}: {'no' if name in off else 'yes'}" for i, name in enumerate(names)]
    return "run_steps:\n" + "\n".join(lines) + "\n"


@pytest.mark.parametrize("ending", ["", ".ipynb"])
@pytest.mark.parametrize("names", [SIX, SEVEN])
def test_six_and_seven_steps_under_either_numbering_mean_the_same(
    load: Load, minimal: str, names: list[str], ending: str
) -> None:
    config = load(minimal + steps(names, ending, off=("deploy_model", "cleanup"))).config
    assert list(config.run_steps) == list(STEPS)
    assert [step for step, wanted in config.run_steps.items() if not wanted] == ["2_deploy_model", "5_cleanup"]
    assert config.run_evaluations == (names is SEVEN)


def test_six_steps_numbered_as_seven(load: Load, minimal: str) -> None:
    text = (
        steps(SEVEN, ".ipynb")
        .replace("  4_get_evaluations.ipynb: yes\n", "")
        .replace("6_cleanup.ipynb: yes", "6_cleanup.ipynb: no")
    )
    config = load(minimal + text).config
    assert config.run_steps["5_cleanup"] is False
    assert config.run_steps["4_model_metric_analysis"] is True
    assert config.run_evaluations is False


def test_evaluations_follow_the_step_and_without_it_the_evaluation_file(load: Load, minimal: str) -> None:
    text = minimal + "model_evaluations: judges.yml\n"
    assert load(text).config.run_evaluations is True
    assert load(text + steps(SEVEN, ".ipynb", off=("get_evaluations",))).config.run_evaluations is False


def test_steps_run_in_the_order_of_the_file(load: Load, minimal: str) -> None:
    text = minimal + "run_steps: {3_run_inference: yes, 0_setup: yes, 5_cleanup: no}\n"
    order = list(load(text).config.run_steps)
    assert order.index("3_run_inference") < order.index("0_setup") < order.index("5_cleanup")
    assert sorted(order) == sorted(STEPS)


def test_a_step_left_out_runs_but_not_in_a_list_of_notebooks(load: Load, minimal: str) -> None:
    assert load(minimal + "run_steps: {5_cleanup: no}\n").config.run_steps["2_deploy_model"] is True
    loaded = load(minimal + "run_steps: {0_setup.ipynb: yes, 3_run_inference.ipynb: yes}\n")
    assert loaded.config.run_steps["2_deploy_model"] is False
    assert any("2_deploy_model" in notice.message for notice in loaded.notices)


def test_unknown_steps_and_values_are_errors(mistakes: Mistakes, minimal: str) -> None:
    found = mistakes(minimal + "run_steps: {5_clean_up: no, 3_run_inference: sometimes, 7_party: yes}\n")
    assert "5_cleanup" in found["run_steps.5_clean_up"]
    assert "yes or no" in found["run_steps.3_run_inference"]
    assert "0_setup" in found["run_steps.7_party"]


@pytest.mark.parametrize(
    ("deployment", "inference", "container", "platform", "protocol"),
    [
        ("jumpstart.py", "sagemaker_predictor.py", None, "sagemaker", "sagemaker"),
        ("deploy_w_djl_serving.py", "sagemaker_predictor.py", None, "sagemaker", "sagemaker"),
        ("deploy_w_hf_tgi.py", "sagemaker_predictor.py", None, "sagemaker", "sagemaker"),
        ("neuron_deploy.py", "sagemaker_predictor.py", None, "sagemaker", "sagemaker"),
        ("sagemaker_deploy.py", "sagemaker_predictor.py", None, "sagemaker", "sagemaker"),
        (None, "sagemaker_predictor.py", None, "sagemaker", "sagemaker"),
        (None, "bedrock_predictor.py", None, "bedrock", "bedrock"),
        ("ec2_deploy.py", "ec2_predictor.py", None, "ec2", "djl"),
        ("ec2_deploy.py", "ec2_predictor.py", "vllm", "ec2", "openai"),
        ("ec2_deploy.py", "ec2_predictor.py", "vllm_gpu", "ec2", "openai"),
        ("ec2_deploy.py", "ec2_predictor.py", "sglang", "ec2", "openai"),
        ("ec2_deploy.py", "ec2_predictor.py", "triton", "ec2", "triton"),
        ("ec2_deploy.py", "ec2_predictor.py", "ollama", "ec2", "ollama"),
        (None, "ec2_predictor.py", "vllm", "endpoint", "openai"),
        ("eks_deploy.py", "eks_predictor.py", None, "eks", "eks"),
        (None, "rest_predictor.py", None, "endpoint", "rest"),
        (None, "custom_rest_predictor.py", None, "endpoint", "custom_rest"),
        ("jumpstart", "sagemaker_predictor", None, "sagemaker", "sagemaker"),
    ],
)
def test_script_names_mean_a_platform_and_a_protocol(
    load: Load, minimal: str, deployment: str, inference: str, container: str, platform: str, protocol: str
) -> None:
    text = minimal.replace("  platform: endpoint\n", f"  inference_script: {inference}\n")
    text += f"  deployment_script: {deployment}\n" if deployment else ""
    text += f"  inference_spec: {{container_type: {container}}}\n" if container else ""
    (experiment,) = load(text).config.experiments
    assert (experiment.platform, experiment.protocol) == (platform, protocol)
    assert experiment.inference_spec.stream is False
    assert experiment.deploy is False


def test_scripts_that_say_nothing_and_platforms_that_contradict_are_errors(mistakes: Mistakes, minimal: str) -> None:
    without = minimal.replace("  platform: endpoint\n", "")
    assert list(mistakes(without)) == ["experiments[0].platform"]
    found = mistakes(without + "  deployment_script: jumpstrat.py\n  inference_script: mine\n")
    assert "did you mean jumpstart.py?" in found["experiments[0].deployment_script"]
    assert "platform and protocol" in found["experiments[0].inference_script"]
    found = mistakes(minimal + "  deployment_script: ec2_deploy.py\n")
    assert "means ec2" in found["experiments[0].platform"]


@pytest.mark.parametrize(
    ("deployment", "inference", "platform", "protocol"),
    [
        ("mine.py", "mine_too.py", "user_script", "user_script"),
        ("./jumpstart.py", "sagemaker_predictor.py", "user_script", "sagemaker"),
        ("mine.py", "ec2_predictor.py", "user_script", "djl"),
        ("jumpstart.py", "s3://bucket/mine.py", "sagemaker", "user_script"),
        ("", "scripts/mine.py", "user_script", "user_script"),
        ("mine.py", "", "user_script", "openai"),
        ("scripts/jumpstart.py", "sagemaker_predictor.py", "sagemaker", "sagemaker"),
        ("", "rest_predictr.py", "user_script", "user_script"),  # listed: no misspelling
    ],
)
def test_user_scripts_run_unchanged(
    load: Load, minimal: str, deployment: str, inference: str, platform: str, protocol: str
) -> None:
    text = minimal.replace("  platform: endpoint\n", f"  deployment_script: {deployment}\n")
    text += f"  inference_script: {inference}\ns3_read_data: {{script_files: [hf_token.txt, rest_predictr.py]}}\n"
    (experiment,) = load(text).config.experiments
    assert (experiment.platform, experiment.protocol, experiment.deploy) == (platform, protocol, False)


def test_a_script_beside_a_platform_sends_the_requests(load: Load, minimal: str) -> None:
    (experiment,) = load(minimal + "  inference_script: mine.py\n").config.experiments
    assert (experiment.platform, experiment.protocol) == ("endpoint", "user_script")


@pytest.mark.parametrize(
    ("line", "key", "said"),
    [
        ("inference_script: https://example.org/mine.py", "inference_script", "not run from web addresses"),
        ("deployment_script: ./mine.sh", "deployment_script", "write the path of a Python file"),
        ("protocol: user_script", "inference_script", "is missing; write the path of your script"),
    ],
)
def test_names_that_are_not_user_scripts(mistakes: Mistakes, minimal: str, line: str, key: str, said: str) -> None:
    without = minimal.replace("  platform: endpoint\n", "") if line.startswith("deployment") else minimal
    assert said in mistakes(f"{without}  {line}\n")[f"experiments[0].{key}"]


def test_an_older_sagemaker_config(data: Path) -> None:
    config = load_config(data / "sagemaker_jumpstart.yml", standard={"region": "us-west-2"}).config
    first, second = config.experiments
    assert (first.deploy, second.deploy) == (True, False)
    assert first.platform == second.platform == "sagemaker"
    assert second.instance_type == "ml.g5.12xlarge"
    assert first.image_uri == "000000000000.dkr.ecr.us-west-2.amazonaws.com/serving:1.0"
    assert first.region == "us-west-2", "an experiment's region is that of aws when it has none"
    assert first.model_version == "*"
    assert first.inference_spec.stream is True
    assert first.inference_spec.parameters == {"do_sample": True, "temperature": 0.1, "max_new_tokens": 100}
    assert config.run_steps["5_cleanup"] is False
    assert config.has_load_section is False
    assert config.load.prompt_reuse == "allowed"


def test_a_resolved_config_with_older_names(data: Path) -> None:
    (experiment,) = load_config(data / "triton_resolved.yml").config.experiments
    assert experiment.inference_spec.container_params["amp"] == "f16"
    assert experiment.inference_spec.tp_degree == 8
    assert experiment.inference_spec.model_copies == "max"
    assert (experiment.platform, experiment.protocol, experiment.deploy) == ("ec2", "triton", True)


def test_a_bedrock_config_with_seven_steps(data: Path) -> None:
    config = load_config(data / "bedrock_seven_steps.yml").config
    assert config.run_evaluations is True
    assert config.run_steps["5_cleanup"] is False
    assert config.experiments[0].instance_type == "example.lyra-large-v1:0"
    assert config.datasets.ground_truth_col_key == "response"


def test_inline_prices_and_one_flat_parameter_set(data: Path) -> None:
    config = load_config(data / "flat_parameters.yml").config
    assert config.pricing == {"ml.g5.2xlarge": 1.212, "ml.p4d.24xlarge": 37.688}
    parameters = config.experiments[0].inference_spec.parameters
    assert parameters == {"do_sample": True, "temperature": 0.1, "max_new_tokens": 100}


@pytest.mark.parametrize(
    ("text", "key", "what"),
    [
        ("run_steps: {4_get_evaluations: yes}\n", "run_steps.4_get_evaluations", "there is no section evaluation"),
        ("model_evaluations: judges.yml\nrun_steps: {4_get_evaluations: no}\n", "model_evaluations", "is not used"),
        (
            "model_evaluations: judges.yml\nrun_steps: {4_get_evaluations: yes}\n",
            "model_evaluations",
            "its judges judge",
        ),
        ("model_evaluations: judges.yml\n", "model_evaluations", "its judges judge the answers after the measurement"),
        ("report: {generate_html_report: yes}\n", "report.generate_html_report", "report.md"),
    ],
)
def test_one_line_says_what_comes_of_evaluations_and_the_html_report(
    load: Load, minimal: str, text: str, key: str, what: str
) -> None:
    (line,) = (notice for notice in load(minimal + text).notices if notice.key == key)
    assert what in line.message
