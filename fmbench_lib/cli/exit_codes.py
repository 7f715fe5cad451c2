"""The exit codes of the command line beside 0 and 1."""

from __future__ import annotations

BAD_INPUT = 2
INTERRUPTED = 130
