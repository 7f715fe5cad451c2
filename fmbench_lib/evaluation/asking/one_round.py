"""One round of questions to one judge, by the transport that measures.

The exchanges are spooled as they end. Beside the spool stands what was asked, without which it could not be read after
a death: what is whole of an interrupted round is kept before anything is asked again. Requests that were in flight when
the engine died are waited for by the worker, as the lock of its spool says; those of a worker that died are lost.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from fmbench_lib.config.load_settings import LoadSettings
from fmbench_lib.config.redactor import Redactor
from fmbench_lib.config.schema.stop_rule import StopRule
from fmbench_lib.errors import FmbenchError, RunStateError, WorkerError
from fmbench_lib.evaluation.asking.judge import Judge, Question
from fmbench_lib.evaluation.asking.retries import retry_after
from fmbench_lib.evaluation.asking.spending import cost_of, estimated_tokens, most_of, spent_on
from fmbench_lib.evaluation.asking.verdict_store import VerdictRow, VerdictStore
from fmbench_lib.evaluation.judging.forms import Form, FormName
from fmbench_lib.evaluation.judging.verdicts import read_verdict
from fmbench_lib.host.atomic_files import read_json, write_json
from fmbench_lib.load.recording.recorder import decode
from fmbench_lib.load.sending.engine import Progress, run_level, sent_marks
from fmbench_lib.load.sending.level import Level
from fmbench_lib.load.sending.sent_marks import positions_sent
from fmbench_lib.load.sending.spool import Spooled, read_spool
from fmbench_lib.predictors.base import Completion, Predictor
from fmbench_lib.predictors.server_errors import readable

_ASKED = "asked.json"
_MOST_BYTES = 4 << 20
_LONGEST_MESSAGE = 300
_ROUNDS = ".round-"
_POLL_S = 0.1
_SLACK_S = 30.0
_LOST = "the process was killed while this was in flight"


class StoppedError(FmbenchError):
    """Judging was given up; what was in flight has been kept."""


class Asked(TypedDict):
    """One question of a round, as it is written down before it is asked. `most`: USD that it can cost, at most."""

    key: str
    form: FormName
    criteria: dict[str, str]
    subject: str
    attempts: int
    tokens: int
    most: float | None


@dataclass(frozen=True, slots=True)
class Asking:
    """A judge, where its verdicts are, and what is done with secrets in what it says.

    `stopped` says when to give up. `pause` waits so many seconds for the last answers to an earlier process.
    """

    judge: Judge
    store: VerdictStore
    redactor: Redactor
    stopped: Callable[[], bool] = lambda: False
    pause: Callable[[float], object] = field(default=time.sleep)

    def rounds(self) -> list[Path]:
        """The folders of rounds that are not finished."""
        return sorted(path for path in self.store.folder.glob(f"{_ROUNDS}*") if path.is_dir())


def ask(asking: Asking, questions: Sequence[Question], attempts: Sequence[int], *, constrain: bool) -> list[VerdictRow]:
    """Ask a judge, at most `concurrency` at a time, and keep a row for each request that was sent; returns the rows.

    `attempts` are the requests that each question had before. A worker that dies leaves what had ended until then.
    Raises StoppedError where judging is given up; what was in flight then is kept by `recover`.
    """
    judge = asking.judge
    round_id = f"{asking.store.part_count + 1:06d}-{uuid.uuid4().hex[:12]}"
    folder = asking.store.folder / f"{_ROUNDS}{round_id}"
    folder.mkdir(parents=True)
    write_json(folder / _ASKED, _manifest(judge, questions, attempts, constrain=constrain))
    sent = folder / "sent-level"
    sent.mkdir()
    requests = (_predictor(judge, each.form, constrain=constrain).encode(each.prompt) for each in questions)

    def look(_: Progress) -> None:
        if asking.stopped():
            raise StoppedError(f"judge {judge.name}: given up; what it has said is kept")

    try:
        run_level(_level(judge, len(questions), round_id), requests, sent, look)
    except WorkerError:
        if not _spools(folder):
            raise
    return _keep(asking, folder)


def recover(asking: Asking) -> int:
    """Keep what is whole of the rounds that an earlier process did not finish; returns how many answers that is.

    A worker that has outlived its engine is waited for: it holds the last answers. Raises RunStateError where it takes
    longer than its timeout allows.
    """
    count = 0
    for folder in asking.rounds():
        if (folder / _ASKED).exists():
            for spool in _spools(folder):
                _await_end(spool, asking)
            count += sum(row["error"] is None for row in _keep(asking, folder))
        shutil.rmtree(folder, ignore_errors=True)
    return count


def _await_end(spool: Path, asking: Asking) -> None:
    """Wait until no worker writes to a spool."""
    judge, waited = asking.judge, 0.0
    with spool.open("rb") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                if waited > judge.timeout + _SLACK_S:
                    raise RunStateError(
                        f"judge {judge.name}: the worker of an evaluation that was killed still has requests in "
                        "flight; end it, or wait for it"
                    ) from None
            else:
                return
            asking.pause(_POLL_S)
            waited += _POLL_S


def _keep(asking: Asking, folder: Path) -> list[VerdictRow]:
    """Keep the rows of a round, and then delete what they were made from; returns them."""
    round_id = folder.name.removeprefix(_ROUNDS)
    rows = list(_rows(asking, folder, round_id))
    asking.store.append(round_id, rows)
    shutil.rmtree(folder, ignore_errors=True)
    return rows


def _level(judge: Judge, count: int, round_id: str) -> Level:
    load = LoadSettings(
        timeout=judge.timeout,
        workers=1,
        stop_on_error_rate=None,
        max_response_bytes=_MOST_BYTES,
        ca_bundle=judge.ca_bundle,
    )
    return Level(
        judge.urls,
        (),
        tuple(range(count)),
        round_id,
        load,
        StopRule(requests=count),
        concurrency=min(judge.concurrency, count),
        write_each=True,
        level_id=round_id,
    )


def _manifest(
    judge: Judge, questions: Sequence[Question], attempts: Sequence[int], *, constrain: bool
) -> dict[str, object]:
    asked: list[Asked] = [
        {
            "key": each.key,
            "form": each.form.name,
            "criteria": dict(each.form.criteria),
            "subject": each.subject,
            "attempts": before,
            "tokens": estimated_tokens(each.prompt),
            "most": most_of(judge.price, each.prompt, judge.max_tokens, judge.timeout),
        }
        for each, before in zip(questions, attempts, strict=True)
    ]
    return {"constrain": constrain, "asked": asked}


def _predictor(judge: Judge, form: Form, *, constrain: bool) -> Predictor:
    return judge.constrained.get(form.name, judge.plain) if constrain else judge.plain


def _spools(folder: Path) -> list[Path]:
    return sorted(folder.glob("sent-level/*.spool"))


def _rows(asking: Asking, folder: Path, round_id: str) -> Iterator[VerdictRow]:
    """A row for each request that has ended, and for each that was sent and whose answer can come no more."""
    manifest = read_json(folder / _ASKED)
    asked: list[Asked] = manifest["asked"]
    ended = set[int]()
    for spool in _spools(folder):
        for _, exchange in read_spool(spool):
            ended.add(exchange.prompt)
            row = _row(asking, asked[exchange.prompt], exchange, constrain=manifest["constrain"])
            yield {**row, "request_id": f"{round_id}-{exchange.position}"}
    for position in range(min(positions_sent(sent_marks(folder / "sent-level")) or 0, len(asked))):
        if position not in ended:  # the order of sending is that of the questions
            yield {**_bare(asking.judge, asked[position], "cancelled", _LOST), "request_id": f"{round_id}-{position}"}


def _bare(judge: Judge, asked: Asked, error: str | None, message: str | None) -> VerdictRow:
    """The row of a request without what an answer says."""
    return {
        "key": asked["key"],
        "judge": judge.name,
        "form": asked["form"],
        "subject": asked["subject"],
        "label": None,
        "scores": "",
        "explanation": "",
        "error": error,
        "error_message": None if message is None else message[:_LONGEST_MESSAGE],
        "attempts": asked["attempts"] + 1,
        "request_id": "",
        "prompt_tokens": None,
        "completion_tokens": None,
        "tokens_estimated": False,
        "seconds": None,
        "cost": None,
        "cost_at_most": None if error is None else spent_on(error, None, asked["most"]),
        "retry_after": None,
    }


def _row(asking: Asking, asked: Asked, exchange: Spooled, *, constrain: bool) -> VerdictRow:
    form = Form(asked["form"], asked["criteria"])
    judge, clean = asking.judge, asking.redactor.in_content
    completion, response = decode(exchange, _predictor(judge, form, constrain=constrain))
    seconds = None if exchange.sent_ns is None else (exchange.end_ns - exchange.sent_ns) / 1e9
    if completion.error_class not in (None, "empty"):
        failed = _bare(judge, asked, completion.error_class, clean(completion.error_message or ""))
        return {
            **failed,
            "seconds": seconds,
            "retry_after": None if response is None else retry_after(response.headers),
        }
    verdict = read_verdict(completion.text, form)
    prompt, made, estimated = _tokens(completion, asked["tokens"])
    return {
        **_bare(judge, asked, None, None),
        "label": verdict.label,
        "scores": json.dumps(verdict.scores) if verdict.scores else "",
        "explanation": clean(readable(verdict.explanation)),
        "prompt_tokens": prompt,
        "completion_tokens": made,
        "tokens_estimated": estimated,
        "seconds": seconds,
        "cost": None if seconds is None else cost_of(judge.price, prompt, made, seconds / judge.concurrency),
    }


def _tokens(completion: Completion, prompt: int) -> tuple[int, int, bool]:
    """Tokens in and out, and whether one of them is an estimate."""
    estimated = completion.prompt_tokens is None or completion.completion_tokens is None
    return (
        prompt if completion.prompt_tokens is None else completion.prompt_tokens,
        estimated_tokens(completion.text) if completion.completion_tokens is None else completion.completion_tokens,
        estimated,
    )
