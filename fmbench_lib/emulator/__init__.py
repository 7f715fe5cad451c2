"""Endpoints of known behaviour, for calibration, tests and dry runs: see `launch` and `Behaviour`."""

from __future__ import annotations

from fmbench_lib.emulator.behaviour import Behaviour
from fmbench_lib.emulator.distributions import Constant, Exponential, LogNormal, Normal
from fmbench_lib.emulator.faults import Fault, FaultRule
from fmbench_lib.emulator.launching import Emulator, Tls, launch
from fmbench_lib.emulator.ledger import LedgerEntry, read_ledger
from fmbench_lib.emulator.options import main

__all__ = [
    "Behaviour",
    "Constant",
    "Emulator",
    "Exponential",
    "Fault",
    "FaultRule",
    "LedgerEntry",
    "LogNormal",
    "Normal",
    "Tls",
    "launch",
    "main",
    "read_ledger",
]
