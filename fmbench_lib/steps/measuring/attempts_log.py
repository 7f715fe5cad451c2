"""What a run remembers of its attempts at a level, in a file beside the level's records: which prompts each of them
sent, so that the next one can be given others."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from fmbench_lib.host.atomic_files import read_json, write_text
from fmbench_lib.host.process_identity import boot_id
from fmbench_lib.load.measure import prompts_sent


@dataclass(frozen=True, slots=True)
class PastAttempt:
    """An attempt at a level. `began` is in Unix seconds, in the boot `boot` of the machine.

    `prompts` are the numbers of its prompts in the order of sending, of which `sent` (None: not known) were sent;
    `first_measured` and `warmup` are as `Attempt.began` gives them.
    """

    number: int
    began: float
    boot: str
    prompts: tuple[int, ...]
    first_measured: int
    warmup: int
    sent: int | None = None

    @property
    def prompts_sent(self) -> tuple[int, ...]:
        """The prompts that were sent, or may have been."""
        return self.prompts if self.sent is None else self.prompts[: self.sent]


def past_attempts(path: Path, scratch: Path | None = None) -> list[PastAttempt]:
    """The attempts in such a file, in order; none where there is no file, or a damaged one.

    How far the last one came, if its process was killed, is read from what it left in `scratch`. That is believed only
    within one boot of the machine: what the kernel had not written is lost in another.
    """
    try:
        past = [PastAttempt(**{**each, "prompts": tuple(each["prompts"])}) for each in read_json(path)["attempts"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    if past and past[-1].sent is None and scratch is not None and past[-1].boot == boot_id():
        last = past[-1]
        past[-1] = replace(last, sent=prompts_sent(scratch, last.first_measured, last.warmup))
    return past


class AttemptsLog:
    """Writes an attempt down: before its first request, and when sending is over."""

    def __init__(self, path: Path, past: Sequence[PastAttempt], number: int) -> None:
        self._path = path
        self._past = past
        self._number = number
        self._now: PastAttempt | None = None

    def began(self, prompts: Sequence[int], first_measured: int, warmup: int) -> None:
        """As `Attempt.began`."""
        self._now = PastAttempt(self._number, time.time(), boot_id(), tuple(prompts), first_measured, warmup)
        self._write()

    def ended(self, sent: int | None) -> None:
        """As `Attempt.ended`; prompts that were not sent are forgotten."""
        if self._now is not None and sent is not None:
            self._now = replace(self._now, prompts=self._now.prompts[:sent], sent=sent)
            self._write()

    def _write(self) -> None:
        attempts = [asdict(each) for each in (*self._past, self._now) if each is not None]
        write_text(self._path, json.dumps({"attempts": attempts}) + "\n")
