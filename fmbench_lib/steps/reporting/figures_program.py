"""A process that computes the figures of some levels, started as `python -m` this module.

parent → process   a pickled pair: what is measured, and the groups of levels
process → parent   a pickled pair: their figures, and a line for each that broke down
"""

from __future__ import annotations

import os
import pickle
import sys

from fmbench_lib.steps.losses import Losses
from fmbench_lib.steps.reporting.level_figures import Measuring


def main() -> None:
    """Answer the one question on standard input."""
    with os.fdopen(os.dup(1), "wb") as answer:
        os.dup2(2, 1)  # what anything prints is no part of the answer
        measuring, groups = pickle.load(sys.stdin.buffer)
        assert isinstance(measuring, Measuring)
        losses = Losses()
        pickle.dump((measuring.figures(groups, losses), losses.lines), answer)


if __name__ == "__main__":
    main()
