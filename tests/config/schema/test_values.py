from __future__ import annotations

from collections.abc import Callable

import pytest

from fmbench_lib.config import LoadedConfig

Load = Callable[..., LoadedConfig]
Mistakes = Callable[..., dict[str, str]]


@pytest.mark.parametrize(
    ("key", "value", "remedy"),
    [
        ("report.latency_budget", "fast", "a number above 0"),
        ("report.latency_budget", "2s", "without quotes or unit: 2"),
        ("report.latency_budget", "'2'", "without quotes or unit: 2"),
        ("report.latency_budget", "0", "a number above 0"),
        ("report.latency_budget", "-2", "a number above 0"),
        ("report.latency_budget", ".inf", "a number above 0"),
        ("report.latency_budget", ".nan", "a number above 0"),
        ("report.latency_budget", "yes", "a number above 0"),
        ("report.latency_budget", "[2]", "a number above 0"),
        ("report.cost_per_10k_txn_budget", "$100", "without quotes or unit: 100"),
        ("report.error_rate_budget", "5", "from 0 to 1"),
        ("report.error_rate_budget", "-0.1", "from 0 to 1"),
        ("report.txn_count_for_showing_cost", "0", "1 or more"),
        ("report.title", "yes", "quotes"),
        ("load.requests", "-5", "1 or more"),
        ("load.requests", "2.5", "a whole number"),
        ("load.duration", "one minute", "a number above 0"),
        ("load.warmup_requests", "-1", "0 or more"),
        ("load.workers", "many", "auto or a whole number"),
        ("load.workers", "0", "auto or a whole number"),
        ("load.prompt_reuse", "always", "never, across_levels or allowed"),
        ("load.arrival", "poison", "did you mean poisson?"),
        ("load.arrival", "uniform", "constant, poisson, gamma or trace"),
        ("load.until", "p95 < 5%", "write `ci_p95 < 5%`"),
        ("load.until", "ci_p95 < 0%", "write `ci_p95 < 5%`"),
        ("load.balance", "random", "least_outstanding or round_robin"),
        ("load.burstiness", 0, "above 0"),
        ("load.think_time", -1, "0 or more"),
        ("general.seed", "-1", "0 or more"),
        ("general.seed", "9" * 400, "at most 9,223,372,036,854,775,807"),
        ("general.seed", "9" * 5000, "a whole number"),
        ("load.timeout", "1e+300", "at most 31,536,000"),
        ("load.timeout", "9" * 400, "at most 31,536,000"),
        ("load.burstiness", "1e-300", "at least 0.001"),
        ("load.requests", "2000001", "at most 2,000,000"),
        ("load.workers", "100000", "at most 256"),
        ("load.max_response_bytes", "10", "1024 or more"),
        ("load.find_levels", "1e+9", "at most 1,000"),
        ("report.budgets", f"{{latency_p95: {'9' * 400}}}", "a number above 0"),
        ("report.title", '"\\u001b[31m"', "control character U+001B"),
        ("load.trace", f"{'a' * 256}", "more than 255 bytes"),
        ("aws.s3_and_or_local_file_system", "disk", "local, s3 or both"),
        ("pricing", "{g5: cheap}", "at g5: expected a price in USD"),
        ("pricing", "{g5: -1}", "at g5: a price cannot be negative"),
        ("pricing", "[1]", "price file"),
        ("pricing", "{g5: {hourly: cheap}}", "at g5.hourly: "),
        ("pricing", "{g5: {houry: 1}}", "at g5.houry: unknown key"),
        ("pricing", "{g5: {region: us-east-1}}", "at g5: no price; write hourly"),
        ("pricing", "{g5: {accelerator_hourly: 1}}", "needs accelerators"),
        ("pricing", "{g5: {hourly: 1, verified: maybe}}", "at g5.verified: expected true or false"),
        ("pricing", "{instance_based: {g5: -1}}", "at instance_based.g5: "),
        ("pricing", "{instance_based: {g5: 1}, ml.g6.xlarge: 2}", "at ml.g6.xlarge: unknown section"),
        ("pricing", "{instance_base: {g5: 1}}", "did you mean instance_based?"),
        ("pricing", "{token_based: {m: {input-per-1k-tokens: x}}}", "m.input-per-1k-tokens"),
        ("pricing", "{token_based: {m: {input-per-1k-tokens: 1}}}", "output-per-1k-tokens is missing"),
        ("pricing", "{token_based: {a.b: 1}}", "at token_based.a.b: expected {input-per-1k-tokens"),
        ("pricing", "{accelerators: {g5: many}, instance_based: {g5: 1}}", "at accelerators.g5: expected how many"),
        ("pricing", "{defaults: {verified: maybe}}", "at defaults.verified: expected true or false"),
        ("pricing", "{pricing: {g5: -1}}", "at g5: a price cannot be negative"),
        ("pricing", "{pricing: {g5: 1}, g6: 2}", "another `pricing`"),
        ("pricing", "{pricing: 3}", "another `pricing`"),
        ("model_evaluations", "{a: 1}", "write text"),
        ("metrics.dataset_of_interest", "[a]", "write text"),
    ],
)
def test_an_invalid_value_is_one_line_with_what_to_write(
    mistakes: Mistakes, minimal: str, key: str, value: str, remedy: str
) -> None:
    section, _, name = key.partition(".")
    text = f"{section}: {{{name}: {value}}}\n" if name else f"{section}: {value}\n"
    if section == "general":
        minimal, text = minimal.replace("  name: mini", f"  name: mini\n  {name}: {value}"), ""
    found = mistakes(minimal + text)
    assert list(found) == [key]
    assert remedy in found[key]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("{temperature: .nan}", "finite"),
        (f"{{max_tokens: {'9' * 400}}}", "at most 18 digits"),
        ('{stop: "\\u0000"}', "control character U+0000"),
        (f"{{a: {'[' * 60}{']' * 60}}}", "more than 50 deep"),
    ],
)
def test_a_parameter_that_no_request_can_carry_is_refused(
    mistakes: Mistakes, minimal: str, value: str, said: str
) -> None:
    assert said in mistakes(minimal + f"inference_parameters: {value}\n")["inference_parameters"]


def test_ticks_are_numbers(mistakes: Mistakes, minimal: str) -> None:
    found = mistakes(minimal + "report: {latency_vs_token_len_chart: {y_ticks: [1, a, .inf]}}\n")
    assert list(found) == [f"report.latency_vs_token_len_chart.y_ticks[{number}]" for number in (1, 2)]


@pytest.mark.parametrize(
    ("old", "new", "key", "remedy"),
    [
        ("[1, 4]", "[]", "experiments[0].concurrency_levels", "write"),
        ("[1, 4]", "4", "experiments[0].concurrency_levels", "[4]"),
        ("[1, 4]", "[1, -4]", "experiments[0].concurrency_levels[1]", "1 or more"),
        ("[1, 4]", "[1, two]", "experiments[0].concurrency_levels[1]", "a whole number"),
        ("concurrency_levels: [1, 4]", "request_rates: [0]", "experiments[0].request_rates[0]", "above 0"),
        ("concurrency_levels: [1, 4]", "model_id: x", "experiments[0].concurrency_levels", "request_rates"),
        ("platform: endpoint", "platform: endpont", "experiments[0].platform", "did you mean endpoint?"),
        ("platform: endpoint", "platform: endpoint\n  protocol: opnai", "experiments[0].protocol", "openai"),
        ("platform: endpoint", "platform: local\n  local: {port: 70000}", "experiments[0].local.port", "65535"),
        ("payload_files: [payload_en_1-500.jsonl]", "payload_files: []", "experiments[0].payload_files", "empty"),
        ("min_length_in_tokens: 1,", "min_length_in_tokens: 500,", "datasets.filters[0].max_length_in_tokens", "above"),
        ("min_length_in_tokens: 1,", "min_length_in_tokens: -1,", "datasets.filters[0].min_length_in_tokens", "0 or"),
        ("max_length_in_tokens: 500, ", "", "datasets.filters[0].max_length_in_tokens", "missing; write 500"),
        ("name: mini", "seed: 3", "general.name", "missing; write my-benchmark"),
    ],
)
def test_a_mistake_in_a_list_is_reported_with_its_index(
    mistakes: Mistakes, minimal: str, old: str, new: str, key: str, remedy: str
) -> None:
    found = mistakes(minimal.replace(old, new))
    assert list(found) == [key]
    assert remedy in found[key]


def test_an_api_key_in_place_of_a_variables_name_is_refused_and_not_repeated(mistakes: Mistakes, minimal: str) -> None:
    found = mistakes(minimal + "  api_key_env: sk-0123456789abcdef\n")
    assert list(found) == ["experiments[0].api_key_env"]
    assert "0123456789" not in found["experiments[0].api_key_env"]


def test_numbers_do_for_text_and_older_settings_may_be_quoted(load: Load, minimal: str) -> None:
    text = minimal + "  model_version: 1\n  ec2: {model_loading_timeout: '2400'}\n"
    experiment = load(text).config.experiments[0]
    assert experiment.model_version == "1"
    assert experiment.ec2 is not None
    assert experiment.ec2.model_loading_timeout == 2400


@pytest.mark.parametrize(("value", "copies"), [("max", "max"), ("auto", "auto"), ("2", 2), ("'2'", 2)])
def test_model_copies(load: Load, minimal: str, value: str, copies: int | str) -> None:
    loaded = load(minimal + f"  inference_spec: {{model_copies: {value}}}\n")
    assert loaded.config.experiments[0].inference_spec.model_copies == copies


def test_prices_may_have_the_outer_key_of_a_price_file(load: Load, minimal: str) -> None:
    within = "{instance_based: {g5: 1}, token_based: {m: {input-per-1k-tokens: 1, output-per-1k-tokens: 2}}}"
    assert load(minimal + f"pricing: {{pricing: {within}}}\n").config == load(minimal + f"pricing: {within}\n").config
