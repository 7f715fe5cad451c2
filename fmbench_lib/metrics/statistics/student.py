"""Quantiles of Student's t distribution, so that the library needs numpy alone."""

from __future__ import annotations

import math
from statistics import NormalDist


def t_quantile(probability: float, freedom: float) -> float:
    """The quantile of Student's t with `freedom` degrees of freedom; infinite below one degree.

    Exact with one and two degrees; else Cornish and Fisher's expansion (Abramowitz & Stegun 26.7.5): at 97.5% within 1%
    of the exact value from three degrees on, within 0.05% from six.
    """
    if freedom < 1:
        return float("inf")
    if freedom == 1:
        return math.tan(math.pi * (probability - 0.5))
    if freedom == 2:
        return (2 * probability - 1) / math.sqrt(2 * probability * (1 - probability))
    z = NormalDist().inv_cdf(probability)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return sum(term / freedom**power for power, term in enumerate(terms))
