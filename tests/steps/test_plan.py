"""What a plan says a run will take at most, against sums done by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from fmbench_lib.config import Experiment
from fmbench_lib.config.schema.stop_rule import StopRule
from fmbench_lib.load.levels.specs import LevelSpec
from fmbench_lib.steps.plan import make_plan, most_requests, most_seconds

EXPERIMENT = Experiment.model_validate(
    {"name": "x", "platform": "endpoint", "protocol": "openai", "deploy": False, "payload_files": ["all.jsonl"]}
)
TRACE = [10.0, 10.5, 12.0]  # two gaps in two seconds: one request a second


def level(concurrency: int | None, rate: float | None, stop: StopRule) -> LevelSpec:
    return LevelSpec(EXPERIMENT, "all.jsonl", concurrency, rate, stop, warmup=2)


@pytest.mark.parametrize(
    ("spec", "times", "requests", "seconds"),
    [
        # 12 requests by 4 slots are 3 waves of at most 5 s
        (level(4, None, StopRule(10, None)), (), 10, 15),
        (level(None, 2.0, StopRule(10, None)), (), 10, 12 / 2 + 5),
        (level(4, None, StopRule(None, 60.0)), (), None, 5 + 60 + 5),
        (level(4, None, StopRule(10, 60.0)), (), 10, 15),
        # at least 20 requests by 4 slots are 5 waves of 5 s: less than the duration, or more than it
        (level(4, None, StopRule(420, 60.0, 20)), (), 420, 5 + 60 + 5),
        (level(4, None, StopRule(420, 10.0, 20)), (), 420, 5 + 25 + 5),
        (level(None, 0.5, StopRule(105, 60.0, 40)), (), 105, 80 + 5),
        # the warm-up goes before a trace at its mean rate
        (level(None, None, StopRule(None, None)), TRACE, 3, (3 + 2) / 1 + 5),
        (level(None, 5.0, StopRule(None, None)), TRACE, 3, (3 + 2) / 5 + 5),
        (level(None, None, StopRule(2, None)), TRACE, 2, (3 + 2) / 1 + 5),
        (level(None, None, StopRule(None, None)), [1.0, 1.0], 2, 5),
        (level(4, None, StopRule(10, None)), TRACE, 10, 15),  # a closed loop beside it follows no trace
    ],
)
def test_what_a_level_takes_at_most(spec: LevelSpec, times: list[float], requests: int | None, seconds: float) -> None:
    assert most_requests(spec, times) == requests
    assert most_seconds(spec, 5.0, times) == pytest.approx(seconds)


def test_the_plan_of_a_trace(tmp_path: Path) -> None:
    rows = [{"input": f"What is item {n}?"} for n in range(20)]
    (tmp_path / "source.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "times.csv").write_text("time\n0\n0.5\n2\n")
    (tmp_path / "config.yml").write_text("""
general: {name: traced}
s3_read_data: {source_data_files: [source.jsonl]}
datasets:
  prompt_template_keys: [input]
  filters: [{min_length_in_tokens: 1, max_length_in_tokens: 500, payload_file: all.jsonl}]
load: {arrival: trace, trace: times.csv, warmup_requests: 2, timeout: 5}
experiments:
- {name: x, platform: endpoint, ep_name: "http://127.0.0.1:9/v1/chat/completions", tokenizer: words,
   payload_files: [all.jsonl], model_id: m}
""")
    plan = make_plan(str(tmp_path / "config.yml"), {}, {})
    text = plan.text
    assert plan.obstacles == ()
    assert "levels: 1, payload files (1) × loads (trace)" in text
    assert "3 requests and 2 for the warm-up; at most 10 s of load" in text


def test_obstacles_do_not_keep_the_rest_from_being_planned(tmp_path: Path) -> None:
    (tmp_path / "config.yml").write_text("""
general: {name: older}
aws: {region: {region}, sagemaker_execution_role: {role_arn}}
s3_read_data: {source_data_files: [missing.jsonl]}
datasets:
  filters: [{language: en, min_length_in_tokens: 1, max_length_in_tokens: 500, payload_file: all.jsonl}]
pricing: {g5.xlarge: 1.5}
inference_parameters: {ec2: {max_tokens: 100}}
experiments:
- {name: x, model_id: org/m, deploy: yes, deployment_script: ec2_deploy.py, inference_script: ec2_predictor.py,
   instance_type: g5.xlarge, hf_tokenizer_model_id: words, payload_files: [all.jsonl], concurrency_levels: [1, 2],
   inference_spec: {parameter_set: ec2, tp_degree: 4}}
report: {all_metrics_file: a.csv, per_inference_request_file: b.csv}
""")
    plan = make_plan(str(tmp_path / "config.yml"), {}, {"region": "us-east-1"})
    assert "missing.jsonl" in plan.obstacles[-2]
    assert plan.obstacles[-1].startswith("no experiment can be deployed or used as it stands: tp_degree 4")
    assert "\n" not in "".join(plan.obstacles)
    lines = [line.strip() for line in plan.text.splitlines()]
    assert "note: report.all_metrics_file, report.per_inference_request_file: ignored: file names are fixed" in lines
    assert "not set: {role_arn}" in lines
    assert "all.jsonl: ? prompts of up to 499 tokens" in lines
    assert any(line.startswith("org/m on g5.xlarge cannot be deployed as it stands: tp_degree 4") for line in lines)
    assert "levels: 2, payload files (1) × loads (concurrency-1, concurrency-2)" in lines
    # 105 times each concurrency. Warm-up of 8 and 4 waves, then the 5 waves that a level has at least, and the last:
    # (8 + 5 + 1 + 4 + 5 + 1) × 120 s
    assert "315 requests and 16 for the warm-up; at most 48 min 00 s of load" in lines
    assert any(line.startswith("at most 1.2000 USD of load on 1 × g5.xlarge at 1.5 USD/h") for line in lines)


def test_the_plan_of_repeats(tmp_path: Path) -> None:
    rows = [{"input": f"What is item {n}?"} for n in range(70)]
    (tmp_path / "source.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "config.yml").write_text("""
general: {name: repeated}
s3_read_data: {source_data_files: [source.jsonl]}
datasets:
  prompt_template_keys: [input]
  filters: [{min_length_in_tokens: 1, max_length_in_tokens: 500, payload_file: all.jsonl}]
load: {requests: 10, warmup_requests: 2, timeout: 5, repeats: 3}
inference_parameters: {max_tokens: 1}
experiments:
- {name: x, platform: endpoint, ep_name: "http://127.0.0.1:9/v1/completions", model_id: m, tokenizer: words,
   payload_files: [all.jsonl], concurrency_levels: [1, 2]}
""")
    plan = make_plan(str(tmp_path / "config.yml"), {}, {})
    lines = [line.strip() for line in plan.text.splitlines()]
    assert any(line.endswith("; at least 72 needed") for line in lines)
    assert "levels: 6, payload files (1) × loads (concurrency-1, concurrency-2) × 3 repeats" in lines
    # three times 12 requests by one slot and 6 waves of two, each of 5 s
    assert "60 requests and 12 for the warm-up; at most 4 min 30 s of load" in lines
    (obstacle,) = plan.obstacles
    assert "needs 72 prompts (6 × (10 + 2 warm-up)) and there are 70: 2 are missing" in obstacle


def test_an_existing_endpoint_cannot_be_used_rather_than_deployed(tmp_path: Path, aws_environment: None) -> None:
    (tmp_path / "config.yml").write_text("""
general: {name: existing}
datasets: {filters: [{min_length_in_tokens: 1, max_length_in_tokens: 500, payload_file: all.jsonl}]}
experiments:
- {name: x, platform: bedrock, ep_name: a.model, tokenizer: words, payload_files: [all.jsonl], concurrency_levels: [1]}
""")
    lines = [line.strip() for line in make_plan(str(tmp_path / "config.yml"), {}, {}).text.splitlines()]
    assert any(line.startswith("a.model cannot be used as it stands: the AWS region is not known") for line in lines)


USED = (
    "- {name: one, platform: endpoint, ep_name: 'http://127.0.0.1:9/v1', model_id: m, tokenizer: words,"
    " concurrency_levels: [1]}\n"
)
TOO_WIDE = (
    "- {name: two, platform: ec2, deploy: yes, model_id: org/m, instance_type: g5.xlarge, tokenizer: words,"
    " concurrency_levels: [1], inference_spec: {tp_degree: 4}}\n"
)
NAMELESS = (
    "- {name: three, platform: sagemaker, region: us-east-1, deploy: yes, tokenizer: words, concurrency_levels: [1]}\n"
)
NO_LOAD = "run_steps: {2_deploy_model: no, 3_run_inference: no}\n"


@pytest.mark.parametrize(
    ("rest", "stopped"),
    [
        (TOO_WIDE, True),
        (TOO_WIDE + NAMELESS, True),
        (TOO_WIDE + USED, False),
        (USED, False),
        (NAMELESS + NO_LOAD, False),
    ],
)
def test_it_is_an_obstacle_that_no_experiment_can_be_deployed_or_used(tmp_path: Path, rest: str, stopped: bool) -> None:
    (tmp_path / "source.jsonl").write_text("".join(json.dumps({"input": f"Item {n}?"}) + "\n" for n in range(20)))
    (tmp_path / "config.yml").write_text(f"""
general: {{name: existing}}
s3_read_data: {{source_data_files: [source.jsonl]}}
datasets:
  prompt_template_keys: [input]
  filters: [{{min_length_in_tokens: 1, max_length_in_tokens: 500, payload_file: all.jsonl}}]
load: {{requests: 2}}
experiments:
{rest}""")
    plan = make_plan(str(tmp_path / "config.yml"), {}, {})
    assert len(plan.obstacles) == stopped
    assert not stopped or plan.obstacles[0].startswith("no experiment can be deployed or used as it stands: tp_de")
    assert ("cannot be" in plan.text) is (rest != USED), "each says it for itself"
    assert ("  three cannot be" in plan.text) is (NAMELESS in rest)
    assert "None on" not in plan.text


@pytest.mark.parametrize(("allowed", "asked"), [("yes", True), ("no", False)])
def test_a_plan_looks_up_no_prices_and_says_whether_the_run_will(tmp_path: Path, allowed: str, asked: bool) -> None:
    (tmp_path / "source.jsonl").write_text("".join(json.dumps({"input": f"Item {n}?"}) + "\n" for n in range(20)))
    (tmp_path / "config.yml").write_text(f"""
general: {{name: priced}}
aws: {{region: us-west-2, price_lookup: {allowed}}}
s3_read_data: {{source_data_files: [source.jsonl]}}
datasets:
  prompt_template_keys: [input]
  filters: [{{min_length_in_tokens: 1, max_length_in_tokens: 500, payload_file: all.jsonl}}]
load: {{requests: 10, warmup_requests: 2, timeout: 5}}
experiments:
- {{name: x, platform: endpoint, ep_name: "http://127.0.0.1:9/v1?api_key=plumKestrel", tokenizer: words, model_id: m,
   instance_type: g6e.xlarge, concurrency_levels: [1]}}
""")
    text = make_plan(str(tmp_path / "config.yml"), {}, {}).text
    assert "cost unknown: no price listed for g6e.xlarge" in text
    assert "plumKestrel" not in text
    assert ("the run will query the AWS Price List API for: g6e.xlarge" in text) is asked


def priced_by_token(folder: Path, max_tokens: str) -> str:
    """A config of two requests, one of them for the warm-up, whose answers cost 1 USD per 1,000 tokens."""
    (folder / "source.jsonl").write_text("".join(json.dumps({"input": f"Item {n}?"}) + "\n" for n in range(20)))
    (folder / "config.yml").write_text(f"""
general: {{name: tokens}}
s3_read_data: {{source_data_files: [source.jsonl]}}
datasets:
  prompt_template_keys: [input]
  filters: [{{min_length_in_tokens: 1, max_length_in_tokens: 500, payload_file: all.jsonl}}]
load: {{requests: 1, warmup_requests: 0, timeout: 5}}
pricing: {{token_based: {{m: {{input-per-1k-tokens: 0, output-per-1k-tokens: 1}}}}}}
inference_parameters: {{max_tokens: {max_tokens}}}
experiments:
- {{name: x, platform: endpoint, ep_name: "http://127.0.0.1:9/v1", tokenizer: words, instance_type: m,
   concurrency_levels: [1]}}
""")
    return str(folder / "config.yml")


@pytest.mark.parametrize("written", ["500", "'500'", "500.0"])
def test_a_token_price_is_bounded_by_the_longest_responses(tmp_path: Path, written: str) -> None:
    plan = make_plan(priced_by_token(tmp_path, written), {}, {})
    assert "at most 1.0000 USD for tokens of m" in plan.text


@pytest.mark.parametrize("written", ["lots", "[500]", "yes", "2.5", "-1", "{a: 1}"])
def test_a_parameter_that_is_not_a_number_bounds_no_price(tmp_path: Path, written: str) -> None:
    plan = make_plan(priced_by_token(tmp_path, written), {}, {})
    assert "cost unknown: m is priced by the token, and their number has no bound" in plan.text
    assert plan.obstacles == ()


@pytest.mark.parametrize(
    ("output", "probable", "most"),
    [
        ("100", "2.5 s a request: 100 tokens", "0.2000"),
        ("[50, 150]", "2.5 s a request: 100 tokens", "0.3000"),
        ("{min: 20, max: 80}", "1.5 s a request: 50 tokens", "0.1600"),
        ("{mean: 100, stddev: 10, max: 120}", "2.5 s a request: 100 tokens", "0.2400"),
    ],
)
def test_the_answers_of_synthetic_prompts_are_as_long_as_asked_for(
    tmp_path: Path, output: str, probable: str, most: str
) -> None:
    path = Path(priced_by_token(tmp_path, "9000"))
    beginning, _, rest = path.read_text().partition("s3_read_data:")
    rest = rest[rest.index("load:") :]
    path.write_text(f"{beginning}data: {{synthetic: {{input_tokens: 8, output_tokens: {output}}}}}\n{rest}")
    text = make_plan(str(path), {}, {}).text
    assert f"(assuming {probable} at 20 ms each)" in text
    assert f"at most {most} USD for tokens of m" in text, "two requests with the longest answers"


def test_a_missing_model_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "source.jsonl").write_text('{"input": "What is it?"}\n' * 30)
    (tmp_path / "config.yml").write_text("""
general: {name: local}
s3_read_data: {source_data_files: [source.jsonl]}
datasets:
  prompt_template_keys: [input]
  filters: [{min_length_in_tokens: 1, max_length_in_tokens: 500, payload_file: all.jsonl}]
load: {requests: 5, prompt_reuse: allowed}
experiments:
- {name: x, platform: local, model_id: weights/mine.gguf, tokenizer: words, payload_files: [all.jsonl],
   concurrency_levels: [1]}
""")
    plan = make_plan(str(tmp_path / "config.yml"), {}, {})
    (obstacle,) = plan.obstacles
    assert "model file weights/mine.gguf does not exist; searched" in obstacle
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "mine.gguf").write_bytes(b"GGUF")
    assert make_plan(str(tmp_path / "config.yml"), {}, {}).obstacles == ()


SERVED = """
general: {name: served}
datasets: {filters: [{min_length_in_tokens: 1, max_length_in_tokens: 500}]}
RUN_STEPS
experiments:
- {name: x, model_id: org/model, instance_type: g5.xlarge, deploy: DEPLOY, deployment_script: ec2_deploy.py,
   inference_script: ec2_predictor.py, ep_name: "http://ADDRESS:8080/v1/completions", tokenizer: words,
   inference_spec: {container_type: vllm_gpu}, concurrency_levels: [1]}
"""


def test_a_server_here_and_its_client_elsewhere_are_two_plans(tmp_path: Path) -> None:
    """A config that only deploys needs no prompts and has no levels; another one measures what it has deployed."""
    steps = "{1_generate_data: no, 3_run_inference: no, 4_model_metric_analysis: no, 5_cleanup: no}"
    server = SERVED.replace("RUN_STEPS", f"run_steps: {steps}").replace("DEPLOY", "yes").replace("ADDRESS", "0.0.0.0")
    (tmp_path / "server.yml").write_text(server)
    plan = make_plan(str(tmp_path / "server.yml"), {}, {})
    assert plan.obstacles == ()
    assert "port 8080 → 8000/v1/completions, open to other machines at 0.0.0.0" in plan.text
    assert "nothing is measured (3_run_inference: no); what is deployed stays, and its address is printed" in plan.text
    assert "levels:" not in plan.text
    client = SERVED.replace("RUN_STEPS", "").replace("DEPLOY", "no").replace("ADDRESS", "10.1.2.3")
    (tmp_path / "client.yml").write_text(client)
    plan = make_plan(str(tmp_path / "client.yml"), {}, {})
    assert plan.obstacles == ()
    assert "an endpoint that exists: http://10.1.2.3:8080/v1/completions" in plan.text
    assert "levels: 1, payload files (1) × loads (concurrency-1)" in plan.text


@pytest.mark.parametrize("folder", ["configs/eks_manifests", "manifests/mistral"])
@pytest.mark.parametrize("name", ["mistral", "llama3"])
def test_ray_services_of_fmbench_2_are_planned_from_the_manifests_that_ship(
    tmp_path: Path, aws_environment: None, folder: str, name: str
) -> None:
    """Its configs name them in several folders, and a model in `ep_name`, which is no address."""
    (tmp_path / "config.yml").write_text(f"""
general: {{name: eks}}
aws: {{region: us-east-1}}
datasets: {{filters: [{{min_length_in_tokens: 1, max_length_in_tokens: 500}}]}}
experiments:
- name: x
  model_id: {name}
  ep_name: {name}
  tokenizer: words
  instance_type: inf2.24xlarge
  deploy: yes
  deployment_script: eks_deploy.py
  inference_script: eks_predictor.py
  eks: {{eks_cluster_name: c, eks_model_namespace: {name}, manifest_dir: {folder},
        manifest_file: {name}-ray-service.yaml}}
  inference_spec: {{inference_url_format: "serve/infer?sentence="}}
  concurrency_levels: [1]
""")
    plan = make_plan(str(tmp_path / "config.yml"), {}, {})
    assert plan.obstacles == ()
    assert f"RayService {name}/{name}-service (1 × " in plan.text
    assert f"reached by Ingress {name}/{name}-ingress, path /serve/infer?sentence=" in plan.text


@pytest.mark.parametrize(
    ("endpoint", "generates"),
    [
        ("platform: endpoint, ep_name: 'http://127.0.0.1:9/v1/embeddings'", False),
        ("platform: endpoint, ep_name: 'http://127.0.0.1:9/v1/rerank', protocol: rerank", False),
        ("platform: endpoint, ep_name: 'http://127.0.0.1:9/rerank', protocol: tei", False),
        ("platform: bedrock, region: us-east-1, ep_name: amazon.titan-embed-text-v2:0", False),
        (
            "platform: sagemaker, region: us-east-1, ep_name: vectors, inference_spec: {container_type: huggingface}",
            False,
        ),
        ("platform: endpoint, ep_name: 'http://127.0.0.1:9/v1/chat/completions'", True),
        ("platform: bedrock, region: us-east-1, ep_name: amazon.nova-lite-v1:0", True),
    ],
)
def test_embeddings_and_ranks_have_no_answers_to_wait_or_pay_for(
    tmp_path: Path, aws_environment: None, endpoint: str, generates: bool
) -> None:
    path = Path(priced_by_token(tmp_path, "100"))
    path.write_text(path.read_text().replace('platform: endpoint, ep_name: "http://127.0.0.1:9/v1"', endpoint))
    text = make_plan(str(path), {}, {}).text
    assumed = (
        "2.5 s a request: 100 tokens at 20 ms each" if generates else "0.5 s a request, whose answer has no tokens"
    )
    assert f"(assuming {assumed})" in text
    assert f"at most {'0.2000' if generates else '0.0000'} USD for tokens of m" in text


def test_a_plan_says_that_an_instance_has_no_price_on_the_terms_asked_for(tmp_path: Path) -> None:
    path = Path(priced_by_token(tmp_path, "100"))
    config = yaml.safe_load(path.read_text())
    config["pricing"] = {"use": "spot", "an-instance": {"hourly": 3.0}}
    config["experiments"][0] |= {"instance_type": "an-instance"}
    path.write_text(yaml.safe_dump(config))
    assert "cost unknown: no spot price listed for an-instance" in make_plan(str(path), {}, {}).text
