"""Templates: what is replaced, and that nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmbench_lib.data.templates import make_template, read_template
from fmbench_lib.errors import TemplateError


def test_each_key_is_replaced_everywhere() -> None:
    made = make_template("{input} + {context} = {input}", ["input", "context"])
    assert made.render({"input": "a", "context": "b", "other": "c"}) == "a + b = a"


def test_other_braces_are_text() -> None:
    made = make_template('{{"role": "user", "content": "{input}"}} {other} {} {0} {input!r}', ["input"])
    assert made.render({"input": "hi"}) == '{{"role": "user", "content": "hi"}} {other} {} {0} {input!r}'


def test_braces_in_a_value_are_text() -> None:
    made = make_template("{input}/{context}", ["input", "context"])
    assert made.render({"input": "{context}", "context": "{input}"}) == "{context}/{input}"


def test_a_key_may_have_any_characters() -> None:
    assert make_template("{a.b (c)}", ["a.b (c)"]).render({"a.b (c)": "x"}) == "x"


def test_without_keys_every_word_in_braces_is_a_key() -> None:
    assert make_template('{question} of {passage}, {"json": 1}').keys == ("question", "passage")


@pytest.mark.parametrize(
    ("value", "rendered"), [(None, ""), (3, "3"), (True, "true"), (["a", "é"], '["a", "é"]'), ({"k": 1}, '{"k": 1}')]
)
def test_values_that_are_not_text(value: object, rendered: str) -> None:
    assert make_template("<{x}>", ["x"]).render({"x": value}) == f"<{rendered}>"


def test_a_template_that_uses_no_key_is_refused() -> None:
    with pytest.raises(TemplateError, match=r"none of \{input\}, \{context\}"):
        make_template("Say hello to {name}", ["input", "context"])
    with pytest.raises(TemplateError, match=r"no \{column\}"):
        make_template("Say hello.")


def test_unused_keys_are_known() -> None:
    assert make_template("{input}", ["input", "context"]).unused_keys == ("context",)


@given(
    pieces=st.lists(st.one_of(st.sampled_from(["{a}", "{b}"]), st.text("{}ab \n", max_size=6)), min_size=1),
    values=st.fixed_dictionaries({"a": st.text("{}ab", max_size=8), "b": st.text("{}ab", max_size=8)}),
)
def test_a_prompt_is_the_template_cut_at_its_keys(pieces: list[str], values: dict[str, str]) -> None:
    text = "{a}" + "".join(pieces)
    expected, rest = "", text
    while rest:
        key = next((key for key in "ab" if rest.startswith(f"{{{key}}}")), None)
        expected += rest[0] if key is None else values[key]
        rest = rest[1 if key is None else 3 :]
    assert make_template(text, ["a", "b"]).render(values) == expected


def test_a_file_is_read_without_its_final_newline(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text("{input}\n\nAnswer:\n")
    assert read_template(path) == "{input}\n\nAnswer:"


def test_a_missing_file_is_named_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match=rf"{tmp_path}/none\.txt: no such file"):
        read_template(tmp_path / "none.txt")
    with pytest.raises(TemplateError, match="cannot read the prompt template"):
        read_template(tmp_path)


def test_the_shipped_template_asks_a_question_about_a_text() -> None:
    path = Path(__file__).parents[2] / "configs" / "prompt_templates" / "prompt_template_qa.txt"
    made = make_template(read_template(path), ["input", "context"])
    assert made.unused_keys == ()
    prompt = made.render({"input": "Why?", "context": "Because."})
    assert prompt.index("Why?") < prompt.index("Because.")  # prompts of one passage share no long prefix
    assert "<|" not in prompt
    assert "[INST]" not in prompt


def test_null_and_nan_are_nothing() -> None:
    assert make_template("{a}|{b}|{c}").render({"a": None, "b": float("nan"), "c": 0.5}) == "||0.5"
