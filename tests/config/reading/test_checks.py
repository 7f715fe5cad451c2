from __future__ import annotations

from collections.abc import Callable

import pytest

from fmbench_lib.config import LoadedConfig

Load = Callable[..., LoadedConfig]
Mistakes = Callable[..., dict[str, str]]


def test_a_payload_file_that_no_filter_makes_is_left_out_with_a_notice(load: Load, minimal: str) -> None:
    loaded = load(minimal.replace("payload_files: [", "payload_files: [payload_en_3000-4000.jsonl, "))
    assert loaded.config.experiments[0].payload_files == ["payload_en_1-500.jsonl"]
    (notice,) = loaded.notices
    assert notice.key == "experiments[0].payload_files[0]"
    assert "payload_en_3000-4000.jsonl" in notice.message


def test_an_experiment_left_without_payload_files_is_an_error(mistakes: Mistakes, minimal: str) -> None:
    found = mistakes(minimal.replace("payload_files: [payload_en_1-500", "payload_files: [payload_en_1-5000"))
    assert list(found) == ["experiments[0].payload_files[0]"]
    assert "did you mean payload_en_1-500.jsonl?" in found["experiments[0].payload_files[0]"]


def test_a_level_given_twice_is_measured_once(load: Load, minimal: str) -> None:
    loaded = load(minimal.replace("[1, 4]", "[1, 4, 1]\n  request_rates: [0.5, 2, 2.0]"))
    assert loaded.config.experiments[0].concurrency_levels == [1, 4]
    assert loaded.config.experiments[0].request_rates == [0.5, 2.0]
    assert len(loaded.notices) == 2


def test_two_filters_may_not_make_the_same_payload_file(load: Load, mistakes: Mistakes, minimal: str) -> None:
    filter_line = next(line for line in minimal.splitlines(keepends=True) if "payload_file:" in line)
    assert load(minimal.replace(filter_line, filter_line * 2)), "the same filter twice does no harm"
    other = filter_line.replace("max_length_in_tokens: 500", "max_length_in_tokens: 900")
    assert list(mistakes(minimal.replace(filter_line, filter_line + other))) == ["datasets.filters[1].payload_file"]


def test_a_dataset_of_interest_that_matches_nothing_is_reported(load: Load, minimal: str) -> None:
    loaded = load(minimal + "metrics: {dataset_of_interest: en_3000}\n")
    assert [notice.key for notice in loaded.notices] == ["metrics.dataset_of_interest"]
    assert load(minimal + "metrics: {dataset_of_interest: en_1-500}\n").notices == ()


@pytest.mark.parametrize(("wanted", "is_it"), [("en_1-500", True), ("en_.*500", True), ("1-5000", False)])
def test_the_dataset_of_interest_is_a_part_or_a_pattern_of_the_file_name(
    load: Load, minimal: str, wanted: str, is_it: bool
) -> None:
    assert (load(minimal + f"metrics: {{dataset_of_interest: '{wanted}'}}\n").notices == ()) is is_it


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("[", "no regular expression"),
        ("a{99999999999}", "no regular expression"),
        ("(e+)+$", "may take for ever"),
        ("(?:e*)*x", "may take for ever"),
        (".*.*.*.*x", "may take for ever"),
        (r"(e)\\1", "may take for ever"),
    ],
)
def test_a_pattern_that_is_none_or_may_never_end_is_refused(
    mistakes: Mistakes, minimal: str, wanted: str, said: str
) -> None:
    found = mistakes(minimal + f'metrics: {{dataset_of_interest: "{wanted}"}}\n')
    assert list(found) == ["metrics.dataset_of_interest"]
    assert said in found["metrics.dataset_of_interest"]


@pytest.mark.parametrize("address", ["", "  ep_name: 127.0.0.1:8000/v1\n", "  ep_name: ftp://host/x\n"])
def test_an_endpoint_needs_an_address(mistakes: Mistakes, minimal: str, address: str) -> None:
    found = mistakes(minimal.replace("  ep_name: http://127.0.0.1:8000/v1/chat/completions\n", address))
    assert list(found) == ["experiments[0].ep_name"]
    assert "http://" in found["experiments[0].ep_name"]


def test_what_only_another_platform_uses_is_an_error(mistakes: Mistakes, minimal: str) -> None:
    assert list(mistakes(minimal + "  local: {parallel: 2}\n")) == ["experiments[0].local"]
    assert list(mistakes(minimal.replace("platform: endpoint\n  ep_name: http://127.0.0.1:8000/v1/chat/completions", "platform: bedrock"))) == ["experiments[0].model_id"]  # fmt: skip # noqa: E501


def test_iterations_must_not_cross(mistakes: Mistakes, minimal: str) -> None:
    text = minimal.replace("  filters:", "  min_iters_per_combination: 9\n  max_iters_per_combination: 3\n  filters:")
    assert list(mistakes(text)) == ["datasets.max_iters_per_combination"]


def test_no_experiments_and_no_filters(mistakes: Mistakes) -> None:
    found = mistakes("general: {name: n}\ndatasets: {filters: []}\nexperiments: []\n")
    assert set(found) == {"datasets.filters", "experiments"}


def test_keeping_a_run_in_a_bucket_gives_no_notice(load: Load, minimal: str) -> None:
    assert load(minimal + "\naws: {bucket: mine, s3_and_or_local_file_system: both}\n").notices == ()


@pytest.mark.parametrize(
    ("auth", "says"),
    [
        ("{user: me, secret: hunter2}", "is not in a known form; write {username"),
        ("[me]", "is not in a known form"),
        ("[me, 1234]", "in quotes"),
        ("1234", "in quotes"),
        ("['m:e', hunter2]", "has a colon in the user name"),
        ("''", "is empty"),
    ],
)
def test_authorization_that_cannot_be_sent(mistakes: Mistakes, minimal: str, auth: str, says: str) -> None:
    spec = f"  protocol: rest\n  inference_spec: {{auth: {auth}}}\n"
    (message,) = mistakes(minimal.rstrip("\n") + "\n" + spec).values()
    assert says in message
    assert "hunter2" not in message


def test_authorization_that_is_not_sent_is_reported(load: Load, minimal: str) -> None:
    spec = "  inference_spec: {auth: [me, hunter2]}\n"
    (notice,) = load(minimal.rstrip("\n") + "\n" + spec).notices
    assert "is not sent with protocol openai; write api_key_env or inference_spec.headers" in str(notice)
