"""Which payload file a decision is about."""

from __future__ import annotations

import pytest

from fmbench_lib.metrics.decision.dataset_of_interest import choose_dataset

SMALL, LARGE, LARGER = "payload_en_1-500.jsonl", "payload_en_3000-3840.jsonl", "payload_en_1-5000.jsonl"


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("en_3000-3840", LARGE),
        (LARGE, LARGE),
        ("en_1-500", SMALL),  # a piece of another name too, but this one's whole range
        ("3840", LARGE),
        (r"en_\d{4}-", LARGE),
        ("en_3.*", LARGE),
    ],
)
def test_what_dataset_of_interest_names(wanted, expected):
    found = choose_dataset([LARGER, SMALL, LARGE], wanted)
    assert found.payload_file == expected


def test_without_a_wish_the_most_levels_then_the_first_of_the_config():
    assert choose_dataset([SMALL, LARGE, LARGE]).payload_file == LARGE
    assert choose_dataset([LARGE, SMALL, SMALL, LARGE]).payload_file == LARGE
    assert "most levels" in choose_dataset([SMALL]).reason


def test_several_that_fit_are_told():
    found = choose_dataset([SMALL, LARGE, LARGE], "en_")
    assert found.payload_file == LARGE
    assert "as do 1 more payload files" in found.reason


@pytest.mark.parametrize("wanted", ["fr_1-500", "en_1-500("])
def test_a_wish_that_fits_nothing_is_not_replaced_in_silence(wanted):
    found = choose_dataset([SMALL, LARGE, LARGE], wanted)
    assert found.payload_file == LARGE
    assert wanted in found.reason


def test_no_levels_no_choice():
    assert choose_dataset([]) is None
