"""A `-A` without a placeholder of its name is a mistake, and the nearest placeholder is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from fmbench_lib.config import validate_paths
from fmbench_lib.config.problems import ConfigError
from fmbench_lib.config.reading.argument_names import check_arguments, placeholders_of

TEXT = """
# give it with -A {comment}
general: {name: "at {url}", model_name: {model_id}}
datasets: {filters: [{max_length_in_tokens: 500}]}
experiments: [{platform: endpoint, ep_name: {url}, tokenizer: words, concurrency_levels: [1]}]
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "test.yml"
    path.write_text(TEXT)
    return path


def said(config: Path, **arguments: str) -> str:
    with pytest.raises(ConfigError) as caught:
        check_arguments(config, arguments)
    return str(caught.value)


def test_placeholders_are_those_that_stand_for_something() -> None:
    assert placeholders_of(TEXT) == {"url", "model_id"}
    assert placeholders_of("general: {name: {name}\n") == {"name"}, "one that is not YAML has them too"


def test_each_argument_without_a_placeholder_is_a_line_with_the_nearest(config: Path) -> None:
    assert said(config, modelid="x", url="y", quantum="z").splitlines() == [
        "-A modelid: there is no placeholder {modelid} in test.yml; did you mean model_id?",
        "-A quantum: there is no placeholder {quantum} in test.yml; it has url or model_id",
    ]


def test_a_key_given_as_a_placeholder_is_pointed_to_its_option(config: Path) -> None:
    assert said(config, concurrency_levels="[1]").endswith(
        "; a key of that name is given with --set experiments[0].concurrency_levels=…"
    )
    config.write_text("general: {name: test}")
    assert said(config, anything="1").endswith(", nor any other; --set KEY=VALUE gives a key")


def test_standard_placeholders_may_always_be_given(config: Path) -> None:
    check_arguments(config, {"region": "us-west-2", "url": "x"})


def test_a_placeholder_in_a_set_value_counts(config: Path) -> None:
    check_arguments(config, {"host": "x", "--set experiments[0].ep_name": "http://{host}/v1"})


def test_of_several_configs_one_must_have_it(config: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yml"
    other.write_text(TEXT.replace("{url}", "{address}"))
    values = {"url": "http://a/v1", "address": "http://b/v1", "model_id": "x"}
    assert not any(checked.problems for checked in validate_paths([other, config], values))
    problems = [checked.problems for checked in validate_paths([other, config], {**values, "adress": "x"})]
    assert [len(found) for found in problems] == [1, 0]
    assert "in any of the 2 configs; did you mean address?" in str(problems[0][0])
