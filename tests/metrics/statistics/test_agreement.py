"""Kappas and alpha, against published examples and values worked out by hand."""

from __future__ import annotations

import pytest

from fmbench_lib.metrics.statistics.agreement import agreement_share, cohen, fleiss, krippendorff


def test_cohens_kappa_of_a_two_by_two_table() -> None:
    # 20 both yes, 5 yes/no, 10 no/yes, 15 both no: observed 0.7, expected 0.5.
    first = ["y"] * 25 + ["n"] * 25
    second = ["y"] * 20 + ["n"] * 5 + ["y"] * 10 + ["n"] * 15
    assert cohen(first, second) == pytest.approx(0.4)
    assert agreement_share(first, second) == pytest.approx(0.7)


def test_a_missing_label_leaves_its_item_out_of_a_pair() -> None:
    assert cohen(["y", None, "n"], ["y", "n", "n"]) == pytest.approx(1.0)
    assert cohen([None], ["y"]) is None
    assert cohen(["y", "y"], ["y", "y"]) is None  # chance explains all of it


def test_fleiss_kappa_of_his_article() -> None:
    # Ten subjects, fourteen raters, five categories: kappa 0.210 (Fleiss 1971).
    table = [
        (0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1),
        (7, 7, 0, 0, 0), (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7),
    ]  # fmt: skip
    items = [[str(label) for label, count in enumerate(row) for _ in range(count)] for row in table]
    assert fleiss(items) == pytest.approx(0.2099, abs=5e-5)


def test_krippendorffs_alpha_of_his_example() -> None:
    # Four observers, twelve units, some values missing: nominal alpha 0.743 (Krippendorff 2011).
    rows = ["1 2 3 3 2 1 4 1 2 * * *", "1 2 3 3 2 2 4 1 2 5 * 3", "* 3 3 3 2 3 4 2 2 5 1 *", "1 2 3 3 2 4 4 1 2 5 1 *"]
    units = [[None if v == "*" else v for v in unit] for unit in zip(*(row.split() for row in rows), strict=True)]
    assert krippendorff(units) == pytest.approx(0.743, abs=5e-4)


def test_alpha_without_disagreement_to_expect_is_not_defined() -> None:
    assert krippendorff([["y", "y"], ["y", "y"]]) is None
    assert krippendorff([["y", None]]) is None
