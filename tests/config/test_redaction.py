from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from fmbench_lib.config import LoadedConfig, load_config, parse_config, redacted
from fmbench_lib.config.secret_forms import REMOVED, without_secrets
from fmbench_lib.config.secret_names import is_secret

Load = Callable[..., LoadedConfig]

OWN = {"results_dir": "run-7", "model_id": "org/model", "tp_degree": "2", "cli_params": "--max-len 100"}


@pytest.mark.parametrize(
    "key",
    ["token", "HF_TOKEN", "hf_token", "HUGGING_FACE_HUB_TOKEN", "custom_authentication_token", "accessToken", "api_key",
     "API_KEY", "apiKey", "apikey", "x-api-key", "OPENAI_API_KEY", "Authorization", "Proxy-Authorization", "password",
     "DB_PASSWD", "secret", "clientSecret", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "aws_access_key_id"[:-3],
     "credentials", "Cookie", "auth"],
)  # fmt: skip
def test_keys_of_secrets(key: str) -> None:
    assert is_secret(key)


@pytest.mark.parametrize(
    "key",
    ["max_tokens", "max_new_tokens", "tokenizer", "tokenizer_prefix", "hf_tokenizer_model_id", "min_length_in_tokens",
     "start_token", "stop_token", "eos_token_id", "MAX_TOTAL_TOKENS", "api_key_env", "key", "prompt_template_keys",
     "question_col_key", "ground_truth_col_key", "context_tokens", "HF_MODEL_ID", "name", "author", "monkey", ""],
)  # fmt: skip
def test_keys_of_other_things(key: str) -> None:
    assert not is_secret(key)


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("Bearer abc.def", f"Bearer {REMOVED}"),
        ("Authorization: Basic dXNlcjpwYXNz", f"Authorization: {REMOVED}"),
        ("curl -H 'Authorization: Bearer abc'", f"curl -H 'Authorization: {REMOVED}'"),
        ("Basic dXNlcjpwYXNz", f"Basic {REMOVED}"),
        ('{"password": "abc"}', f'{{"password": "{REMOVED}"}}'),
        ("--api-key abc --max-model-len 4096", f"--api-key {REMOVED} --max-model-len 4096"),
        ("--hf-token=abc --tp 2", f"--hf-token={REMOVED} --tp 2"),
        ("-e HF_TOKEN=abc -e MAX_TOKENS=5", f"-e HF_TOKEN={REMOVED} -e MAX_TOKENS=5"),
        ("https://me:pass@host/x", f"https://{REMOVED}@host/x"),
        ("https://host/x?api_key=abc&n=1", f"https://host/x?api_key={REMOVED}&n=1"),
        ("option.hf_token=abc\noption.max_tokens=7", f"option.hf_token={REMOVED}\noption.max_tokens=7"),
        ("https://host/x?code=abc&n=1", f"https://host/x?code={REMOVED}&n=1"),
        ("https://host/x?n=1&sig=a%2Bb%3D&sp=r", f"https://host/x?n=1&sig={REMOVED}&sp=r"),
        ("https://host/x?api-version=2024-02-01", "https://host/x?api-version=2024-02-01"),
        ("use hf_abcdefghijklmnopqrstuvwxyz now", f"use {REMOVED} now"),
        ("org/model:1.0", "org/model:1.0"),
        ("http://127.0.0.1:8000/v1/chat/completions", "http://127.0.0.1:8000/v1/chat/completions"),
        ("a basic question", "a basic question"),
    ],
)
def test_secrets_inside_text(text: str, safe: str) -> None:
    assert without_secrets(text) == safe


def test_no_secret_of_a_config_is_left(data: Path) -> None:
    config = load_config(data / "custom_rest_secrets.yml").config
    assert "hunter2header" in str(config), "the config itself has what a request needs"
    kept = yaml.safe_dump(redacted(config))
    assert "hunter2" not in kept
    assert "12345678" not in kept
    spec = redacted(config)["experiments"][0]["inference_spec"]
    assert spec["headers"]["content-type"] == "application/json"
    assert spec["stop_token"] == "<|end|>"
    assert spec["cli_params"].endswith("--max-model-len 4096")
    assert spec["parameters"]["max_tokens"] == 32


@pytest.mark.parametrize(
    "name", ["sagemaker_jumpstart", "ec2_placeholders", "bedrock_seven_steps", "triton_resolved", "flat_parameters"]
)
def test_the_kept_config_loads_as_the_same_config(data: Path, name: str) -> None:
    loaded = load_config(data / f"{name}.yml", arguments=OWN)
    kept = yaml.safe_dump(redacted(loaded.config), sort_keys=False)
    again = parse_config(kept, path=loaded.path)
    assert again.config == loaded.config
    assert [notice for notice in again.notices if notice.key != "model_evaluations"] == []


@pytest.mark.parametrize(
    "auth", [["me", "hunter2"], {"username": "me", "password": "hunter2"}, "Basic hunter2", "hunter2"]
)
def test_authorisation_is_hidden_and_loads_again(load: Load, minimal: str, auth: object) -> None:
    spec = f"  protocol: rest\n  inference_spec: {yaml.safe_dump({'auth': auth}, default_flow_style=True)}"
    kept = yaml.safe_dump(redacted(load(minimal.rstrip("\n") + "\n" + spec).config), sort_keys=False)
    assert "hunter2" not in kept
    assert load(kept).config.experiments[0].inference_spec.auth


def test_headers_are_shown_only_where_they_are_known_to_be_harmless(load: Load, minimal: str) -> None:
    spec = "  inference_spec: {headers: {X-Tenant: mine, Accept: text/plain, Content-Type: application/json}}\n"
    (kept,) = redacted(load(minimal.rstrip("\n") + "\n" + spec).config)["experiments"]
    assert kept["inference_spec"]["headers"] == {
        "X-Tenant": REMOVED,
        "Accept": "text/plain",
        "Content-Type": "application/json",
    }


def test_a_load_section_is_kept_as_one(load: Load, minimal: str) -> None:
    loaded = load(minimal + "load: {requests: 7}\n")
    again = load(yaml.safe_dump(redacted(loaded.config), sort_keys=False))
    assert again.config == loaded.config


PRICED = """
pricing:
  token_based:
    org/my-model-token: {input-per-1k-tokens: 0.25, output-per-1k-tokens: 1.25}
  instance_based: {secret-password: 3.5, db-pass: 12345678}
monitors: {prometheus: {session-token: ["http://127.0.0.1:8000/metrics"]}}
"""


def test_names_of_models_and_experiments_are_no_names_of_secrets(load: Load, minimal: str) -> None:
    text = minimal.replace("- name: mine", "- name: session-token") + PRICED
    loaded = load(text)
    kept = yaml.safe_dump(redacted(loaded.config), sort_keys=False)
    assert REMOVED not in kept
    assert load(kept).config == loaded.config


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("max_token: 5", "max_token: 5"),
        ("token: 151643", "token: 151643"),
        ("use_token: yes", "use_token: true"),
        ("temperature_secret: 0.5", "temperature_secret: 0.5"),
        ("stop_token: <|end|>", "stop_token: <|end|>"),
        ("password: 12345678", f"password: {REMOVED}"),
        ("token: '151643'", f"token: {REMOVED}"),
        ("DB_PASS: hunter2", f"DB_PASS: {REMOVED}"),
        ("SOME_KEY: hunter2", f"SOME_KEY: {REMOVED}"),
        ("first_key: name", "first_key: name"),
    ],
)
def test_numbers_and_switches_are_no_secrets(load: Load, minimal: str, given: str, kept: str) -> None:
    name, _, value = given.partition(": ")
    config = load(minimal.rstrip("\n") + f"\n  inference_spec: {{parameters: {{{name}: {value}}}}}\n").config
    (experiment,) = redacted(config)["experiments"]
    expected = yaml.safe_load(kept) if REMOVED not in kept else {name: REMOVED}
    assert experiment["inference_spec"]["parameters"][name] == expected[name]
