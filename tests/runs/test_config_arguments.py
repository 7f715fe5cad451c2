"""What a notebook gives in place of `-A` and `--set`."""

from __future__ import annotations

import pytest

from fmbench_lib.errors import InputError
from fmbench_lib.runs.config_arguments import named_arguments


def test_a_word_is_a_placeholder_and_a_path_a_key_of_the_config() -> None:
    given = {"region": "eu-west-1", "load.requests": 20, "experiments[0].deploy": False, "load": {"duration": None}}
    assert named_arguments(given) == {
        "region": "eu-west-1",
        "--set load.requests": "20",
        "--set experiments[0].deploy": "false",
        "--set load": '{"duration": null}',
    }
    assert named_arguments({"--set load.requests": "20", "n": 3}) == {"--set load.requests": "20", "n": "3"}


@pytest.mark.parametrize(
    ("given", "message"), [({"": 1}, "is no name"), ({3: 1}, "3 is no name"), ({"load.requests": {1, 2}}, "is a set")]
)
def test_what_can_be_neither_is_an_error(given: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        named_arguments(given)
