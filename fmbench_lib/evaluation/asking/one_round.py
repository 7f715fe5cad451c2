"""One round of questions to one judge, by the transport that measures.

The exchanges are spooled as they end. Beside the spool stands what was asked, without which it could not be read after
a death: what is whole of an interrupted round is kept before anything is asked again.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fmbench_lib.config.load_settings import LoadSettings
from fmbench_lib.config.redactor import Redactor
from fmbench_lib.config.schema.stop_rule import StopRule
from fmbench_lib.errors import WorkerError
from fmbench_lib.evaluation.asking.judge import Judge, Question
from fmbench_lib.evaluation.asking.spending import cost_of, estimated_tokens
from fmbench_lib.evaluation.asking.verdict_store import VerdictRow, VerdictStore
from fmbench_lib.evaluation.judging.forms import Form, FormName
from fmbench_lib.evaluation.judging.verdicts import read_verdict
from fmbench_lib.host.atomic_files import read_json, write_json
from fmbench_lib.load.recording.recorder import decode
from fmbench_lib.load.sending.engine import run_level
from fmbench_lib.load.sending.level import Level
from fmbench_lib.load.sending.spool import Spooled, read_spool
from fmbench_lib.predictors.base import Completion, Predictor

_ASKED = "asked.json"
_MOST_BYTES = 4 << 20
_LONGEST_MESSAGE = 300


@dataclass(frozen=True, slots=True)
class Asking:
    """A judge, where its rounds are, and what is done with secrets in what it says."""

    judge: Judge
    folder: Path
    redactor: Redactor

    def rounds(self) -> list[Path]:
        """The folders of rounds that an earlier process did not finish."""
        return sorted(path for path in self.folder.glob(".round-*") if path.is_dir())


def ask(asking: Asking, questions: Sequence[Question], attempts: Sequence[int], *, constrain: bool) -> list[VerdictRow]:
    """Ask a judge, at most `concurrency` at a time; a row for each question that ended, with its answer or its error.

    `attempts` are the requests that each question had before. A worker that dies leaves what had ended until then.
    """
    judge, round_id = asking.judge, uuid.uuid4().hex[:12]
    folder = asking.folder / f".round-{round_id}"
    folder.mkdir(parents=True)
    write_json(folder / _ASKED, _manifest(questions, attempts, constrain=constrain))
    sent = folder / "sent-level"
    sent.mkdir()
    requests = (_predictor(judge, each.form, constrain=constrain).encode(each.prompt) for each in questions)
    load = LoadSettings(
        timeout=judge.timeout,
        workers=1,
        stop_on_error_rate=None,
        max_response_bytes=_MOST_BYTES,
        ca_bundle=judge.ca_bundle,
    )
    count = len(questions)
    level = Level(
        judge.urls,
        (),
        tuple(range(count)),
        round_id,
        load,
        StopRule(requests=count),
        concurrency=min(judge.concurrency, count),
        write_each=True,
    )
    try:
        run_level(level, requests, sent)
    except WorkerError:
        if not _spools(folder):
            raise
    return list(_rows(asking, folder))


def finish(asking: Asking, store: VerdictStore, rows: list[VerdictRow]) -> None:
    """Keep the rows of the rounds in the folder, and then delete what they were made from."""
    for folder in asking.rounds():
        store.append(folder.name.removeprefix(".round-"), rows)
        shutil.rmtree(folder, ignore_errors=True)


def recover(asking: Asking, store: VerdictStore) -> int:
    """Keep what is whole of the rounds that an earlier process did not finish; returns how many judgements that is."""
    count = 0
    for folder in asking.rounds():
        if (folder / _ASKED).exists() and not store.part(folder.name.removeprefix(".round-")).exists():
            rows = list(_rows(asking, folder))
            count += len(rows)
            store.append(folder.name.removeprefix(".round-"), rows)
        shutil.rmtree(folder, ignore_errors=True)
    return count


def _manifest(questions: Sequence[Question], attempts: Sequence[int], *, constrain: bool) -> dict[str, object]:
    asked = [
        {
            "key": each.key,
            "form": each.form.name,
            "criteria": dict(each.form.criteria),
            "subject": each.subject,
            "attempts": before,
            "tokens": estimated_tokens(each.prompt),
        }
        for each, before in zip(questions, attempts, strict=True)
    ]
    return {"constrain": constrain, "asked": asked}


def _predictor(judge: Judge, form: Form, *, constrain: bool) -> Predictor:
    return judge.constrained.get(form.name, judge.plain) if constrain else judge.plain


def _spools(folder: Path) -> list[Path]:
    return sorted(folder.glob("sent-level/*.spool"))


def _rows(asking: Asking, folder: Path) -> Iterator[VerdictRow]:
    manifest = read_json(folder / _ASKED)
    for spool in _spools(folder):
        for _, exchange in read_spool(spool):
            yield _row(asking, manifest["asked"][exchange.prompt], exchange, constrain=manifest["constrain"])


def _row(asking: Asking, asked: dict[str, object], exchange: Spooled, *, constrain: bool) -> VerdictRow:
    name: FormName = asked["form"]  # type: ignore[assignment]
    form = Form(name, dict(asked["criteria"]))  # type: ignore[call-overload]
    judge, clean = asking.judge, asking.redactor.in_content
    completion, _ = decode(exchange, _predictor(judge, form, constrain=constrain))
    answered = completion.error_class in (None, "empty")
    verdict = read_verdict(completion.text if answered else "", form)
    seconds = None if exchange.sent_ns is None else (exchange.end_ns - exchange.sent_ns) / 1e9
    prompt, made, estimated = _tokens(completion, int(asked["tokens"]))  # type: ignore[call-overload]
    message = None if answered else clean(completion.error_message or "")[:_LONGEST_MESSAGE]
    return {
        "key": str(asked["key"]),
        "judge": judge.name,
        "form": form.name,
        "subject": str(asked["subject"]),
        "label": verdict.label,
        "scores": json.dumps(verdict.scores) if verdict.scores else "",
        "explanation": clean(verdict.explanation),
        "error": None if answered else completion.error_class,
        "error_message": message,
        "attempts": int(asked["attempts"]) + 1,  # type: ignore[call-overload]
        "prompt_tokens": prompt if answered else None,
        "completion_tokens": made if answered else None,
        "tokens_estimated": estimated,
        "seconds": seconds,
        "cost": cost_of(judge.price, prompt, made, (seconds or 0.0) / judge.concurrency) if answered else None,
    }


def _tokens(completion: Completion, prompt: int) -> tuple[int, int, bool]:
    """Tokens in and out, and whether one of them is an estimate."""
    estimated = completion.prompt_tokens is None or completion.completion_tokens is None
    return (
        prompt if completion.prompt_tokens is None else completion.prompt_tokens,
        estimated_tokens(completion.text) if completion.completion_tokens is None else completion.completion_tokens,
        estimated,
    )
