from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fmbench_lib.config import ConfigError, LoadedConfig
from fmbench_lib.config.reading.substitution import fill
from fmbench_lib.config.reading.yaml_document import parse

Load = Callable[..., LoadedConfig]
Mistakes = Callable[..., dict[str, str]]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("", None),
        ("~", None),
        ("yes", True),
        ("off", False),
        ("'yes'", "yes"),
        ("12", 12),
        ("-3", -3),
        ("0.025", 0.025),
        ("1e-3", 0.001),
        ("1e3", "1e3"),
        ("'12'", "12"),
        ("010", "010"),
        ("12:30", "12:30"),
        ("2024-10-01", "2024-10-01"),
        ("1.0.0", "1.0.0"),
        ("'*'", "*"),
        ("!!int 7", 7),
    ],
)
def test_scalars_mean_what_they_look_like(written: str, read: Any) -> None:
    value = parse(f"key: {written}").value["key"]
    assert value == read
    assert type(value) is type(read)


def test_keys_are_text() -> None:
    assert parse("on: 1\n2: two\nno: x").value == {"on": 1, "2": "two", "no": "x"}


def test_the_last_of_duplicate_keys_wins_and_is_reported_with_path_and_lines() -> None:
    document = parse("a:\n- b: 1\n  b: 2\n  c: 3\na2: 1\n")
    assert document.value == {"a": [{"b": 2, "c": 3}], "a2": 1}
    (notice,) = document.duplicates
    assert notice.key == "a[0].b"
    assert "lines 2 and 3" in notice.message


def test_anchors_and_merges_give_what_yaml_says() -> None:
    text = "x: &x {a: 1, b: 2}\ny: &y {b: 3, c: 4}\nz: {<<: [*x, *y], c: 5}\nw: {b: 0, <<: *x}\nv: *x\n"
    document = parse(text)
    assert document.value == yaml.safe_load(text)
    assert document.duplicates == [], "overriding a merged key is no duplicate"
    assert document.value["v"] is not document.value["x"], "an alias is a copy: changing one must not change the other"


_plain = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(alphabet="ab {}:#-'\"\n", max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text("abc", min_size=1), _plain, max_size=3))
def test_reads_what_pyyaml_writes(value: dict[str, Any]) -> None:
    assert parse(fill(yaml.safe_dump(value), {})).value == value


@given(st.text(max_size=60))
def test_any_text_is_a_document_or_a_config_error(text: str) -> None:
    with contextlib.suppress(ConfigError):
        parse(fill(text, {}))


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("a: [1\nb: 2\n", "line 2"),
        ("a: b: c\n", "line 1, column 5"),
        ("a:\n\tb: 1\n", "tab"),
        ("a: 'x\n", "line"),
        ("a: *nothing\n", "line 1, column 4"),
    ],
)
def test_broken_yaml_is_one_line_with_its_position(text: str, where: str) -> None:
    with pytest.raises(ConfigError, match="not valid YAML") as raised:
        parse(text)
    assert where in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: &a [*a]", "contains itself"),
        ("a: !Ref b", "!Ref"),
        ("? {b: 1}\n: c", "a key must be a word"),
        ("a: {<<: 5}", "<<"),
    ],
)
def test_yaml_features_that_no_config_needs_are_refused(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        parse(text)


def test_anchors_that_multiply_are_stopped() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    with pytest.raises(ConfigError, match="more than 200,000 values"):
        parse("\n".join(lines))
