"""What all tests share."""

from __future__ import annotations

from hypothesis import settings

# The same examples in every run: a failure that is found once is found again.
settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")
