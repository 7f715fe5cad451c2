"""Signatures are right, made before their time, renewed with the keys, and cost nothing where nothing is signed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.aws.signing import Signing
from fmbench_lib.emulator import Behaviour, Constant, Emulator, launch
from fmbench_lib.emulator.framing import Request, RequestReader
from fmbench_lib.emulator.wires.aws_signature import ACCESS_KEY, EXPIRED_TOKEN, SECRET_KEY, check_signature
from fmbench_lib.emulator.wires.base import RefusedError
from fmbench_lib.errors import CredentialsError
from fmbench_lib.load.sending import request_signing as signing_module
from fmbench_lib.load.sending.layout import write_requests
from fmbench_lib.load.sending.prebuilt import Prompts
from fmbench_lib.load.sending.request_signing import Keys, Signer
from fmbench_lib.load.sending.schedule_reader import SEQUENCE_ENTRY, ScheduleReader
from fmbench_lib.predictors.bedrock import ConversePredictor

BEDROCK = Signing("bedrock", "us-east-1")
HOST = "bedrock-runtime.us-east-1.amazonaws.com"
MODEL = "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aprovisioned-model%2Fabc"
PROMPTS = [f"prompt {number} – [[echo:{number}]]" for number in range(12)]


@pytest.fixture
def credentials(aws_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The emulator's, in the environment."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)


@pytest.fixture
def prebuilt(tmp_path: Path) -> Iterator[Prompts]:
    codec = ConversePredictor(f"https://{HOST}{MODEL}", signing=BEDROCK)
    with tempfile.TemporaryFile() as file:
        assert write_requests(file, tmp_path / "index", map(codec.encode, PROMPTS)) == BEDROCK
        yield Prompts(file.fileno(), tmp_path / "index")


@pytest.fixture
def signer(prebuilt: Prompts, credentials: None) -> Signer:
    made = Signer(BEDROCK, prebuilt)
    line = Keys(BEDROCK).news()
    assert line is not None
    made.take_keys(line)
    return made


def sent(prebuilt: Prompts, prompt: int, signature: bytes) -> Request:
    """The request as a worker puts it together, read as a server does."""
    line, rest = prebuilt.wire(prompt)
    reader = RequestReader()
    reader.feed(line + f"x-request-id: level-{prompt}\r\nhost: {HOST}\r\n".encode() + signature + rest)
    request = reader.next()
    assert request is not None
    return request


class TestSigner:
    def test_each_request_has_its_own_signature_and_any_change_breaks_it(
        self, signer: Signer, prebuilt: Prompts
    ) -> None:
        now = time.time()
        first = sent(prebuilt, 0, signer.headers(0, HOST))
        check_signature(first, "bedrock", now)
        other = signer.headers(1, HOST)
        check_signature(sent(prebuilt, 1, other), "bedrock", now)
        broken = [
            sent(prebuilt, 0, other),
            replace(first, body=first.body + b" "),
            replace(first, path=first.path + "x"),
            replace(first, headers={**first.headers, "host": "elsewhere"}),
            replace(first, headers={**first.headers, "accept": "text/plain"}),
        ]
        for request in broken:
            with pytest.raises(RefusedError, match="does not match"):
                check_signature(request, "bedrock", now)
        with pytest.raises(RefusedError, match="scoped to correct service"):
            check_signature(first, "sagemaker", now)
        with pytest.raises(RefusedError, match="Signature expired"):
            check_signature(first, "bedrock", now + 301)
        check_signature(replace(first, headers={**first.headers, "x-request-id": "another"}), "bedrock", now)

    def test_what_was_made_ahead_is_used_once_and_never_when_it_is_old(
        self, signer: Signer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made: list[int] = []
        sign = signer._sign
        monkeypatch.setattr(signer, "_sign", lambda *of: made.append(of[0]) or sign(*of))
        signer.prepare(3, HOST)
        assert made == [3]
        signer.headers(3, HOST)
        assert made == [3]
        signer.headers(3, HOST)
        assert made == [3, 3]
        signer.prepare(4, HOST)
        signer.headers(4, "another.host")
        assert made == [3, 3, 4, 4]
        then = time.monotonic_ns() + 61_000_000_000
        monkeypatch.setattr(signing_module, "monotonic_ns", lambda: then)
        signer.headers(4, HOST)
        assert made == [3, 3, 4, 4, 4]

    def test_new_keys_are_used_for_what_was_signed_ahead(self, signer: Signer, prebuilt: Prompts) -> None:
        signer.prepare(0, HOST)
        signer.take_keys(b'keys {"access_key": "AKIANEW", "secret_key": "s", "token": "t"}')
        request = sent(prebuilt, 0, signer.headers(0, HOST))
        assert "Credential=AKIANEW/" in request.headers["authorization"]
        assert request.headers["x-amz-security-token"] == "t"


class TestScheduleReader:
    def schedule(self, folder: Path, offsets: list[float]) -> int:
        path = folder / "schedule"
        path.write_bytes(b"".join(SEQUENCE_ENTRY.pack(n, n % 12, offset) for n, offset in enumerate(offsets)))
        return os.open(path, os.O_RDONLY)

    def test_the_next_ones_are_signed_in_their_order_and_sent_in_it(self, signer: Signer, tmp_path: Path) -> None:
        fd = self.schedule(tmp_path, [0.0] * 40)
        schedule = ScheduleReader(fd, signer, HOST)
        schedule.begin_ns = time.monotonic_ns()
        ahead = 0
        while schedule.sign_ahead():
            ahead += 1
        assert ahead == 32
        seen = []
        while (entry := schedule.peek()) is not None:
            schedule.take()
            seen.append(entry[1])
        assert seen == list(range(40))
        assert not schedule.sign_ahead()
        os.close(fd)

    def test_what_is_due_much_later_waits_for_its_signature(self, signer: Signer, tmp_path: Path) -> None:
        fd = self.schedule(tmp_path, [0.0, 3600.0])
        schedule = ScheduleReader(fd, signer, HOST)
        schedule.begin_ns = time.monotonic_ns()
        assert [schedule.sign_ahead() for _ in range(3)] == [True, False, False]
        os.close(fd)

    def test_without_a_signer_nothing_is_read_ahead(self, tmp_path: Path) -> None:
        fd = self.schedule(tmp_path, [0.0])
        assert not ScheduleReader(fd, None, "").sign_ahead()
        assert os.lseek(fd, 0, os.SEEK_CUR) == 0
        os.close(fd)


def write_keys(path: Path, access_key: str, secret_key: str, token: str) -> None:
    """Credentials that end so soon that they are renewed each time they are asked for."""
    until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 60))
    found = {"AccessKeyId": access_key, "SecretAccessKey": secret_key, "SessionToken": token, "Expiration": until}
    path.with_suffix(".new").write_text(json.dumps({"Version": 1, **found}))
    path.with_suffix(".new").replace(path)


class TestKeys:
    def test_they_are_told_once_and_again_when_they_are_new(self, aws_process_credentials: Path) -> None:
        write_keys(aws_process_credentials, "first", "s", "t")
        keys = Keys(BEDROCK)
        assert keys.news() == b'keys {"access_key": "first", "secret_key": "s", "token": "t"}\n'
        assert keys.news() is None
        write_keys(aws_process_credentials, "second", "s", "t")
        assert keys.news() == b'keys {"access_key": "second", "secret_key": "s", "token": "t"}\n'
        aws_process_credentials.unlink()
        with pytest.raises(CredentialsError, match=r"log in again .*, then --resume"):
            keys.news()

    def test_without_anything_to_sign_nobody_asks_for_credentials(self, aws_environment: None) -> None:
        assert Keys(None).news() is None
        with pytest.raises(CredentialsError, match="no AWS credentials found"):
            Keys(BEDROCK)


def test_a_level_without_signing_imports_nothing_of_aws() -> None:
    code = (
        "import sys, fmbench_lib.load.sending.worker\n"
        "print([name for name in sys.modules if name.startswith(('fmbench_lib.aws', 'botocore', 'boto3'))])\n"
        "import fmbench_lib.load.sending.engine, fmbench_lib.predictors\n"
        "fmbench_lib.load.sending.engine.Keys(None).news()\n"
        "print([name for name in ('botocore', 'boto3') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n[]\n"


@pytest.fixture(scope="module")
def bedrock() -> Iterator[Emulator]:
    with launch(Behaviour(ttft=Constant(0.005), itl=Constant(0.001), tokens=Constant(5), echo=True)) as running:
        yield running


class TestLevels:
    """Whole levels against an emulator that checks every signature."""

    @pytest.mark.parametrize(
        "load", [{"concurrency": 3, "workers": 2}, {"request_rate": 200.0, "workers": 2}], ids=["closed", "open"]
    )
    @pytest.mark.usefixtures("credentials")
    def test_every_request_is_signed(self, measure: Any, bedrock: Emulator, load: dict[str, Any]) -> None:
        codec = ConversePredictor(f"{bedrock.base_url}{MODEL}", signing=BEDROCK)
        level = measure(codec.url, PROMPTS, warmup=2, predictor=codec, **load)
        assert [row["error_message"] for row in level.rows] == [None] * 12
        assert [row["completion"].split()[0] for row in level.rows] == [str(number) for number in range(12)]
        known = {entry.request_id: entry for entry in bedrock.ledger()}
        for row in level.rows:
            entry = known[row["request_id"]]
            assert row["server_request_id"] == row["request_id"]
            assert (row["prompt_tokens"], row["completion_tokens"]) == (entry.prompt_tokens, entry.tokens)
            assert len(row["event_times"]) == entry.events == 5

    @pytest.mark.usefixtures("credentials")
    def test_credentials_that_aws_does_not_know_any_more(
        self, measure: Any, bedrock: Emulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_SESSION_TOKEN", EXPIRED_TOKEN)
        codec = ConversePredictor(f"{bedrock.base_url}{MODEL}", signing=BEDROCK)
        (row,) = measure(codec.url, PROMPTS[:1], predictor=codec).rows
        assert (row["error"], row["status"]) == ("http_4xx", 403)
        assert row["error_message"].startswith("HTTP 403: ExpiredTokenException: The security token included")

    @pytest.mark.usefixtures("aws_environment")
    def test_without_credentials_nothing_is_started(self, measure: Any, bedrock: Emulator, workers: Any) -> None:
        codec = ConversePredictor(f"{bedrock.base_url}{MODEL}", signing=BEDROCK)
        with pytest.raises(CredentialsError, match="no AWS credentials found"):
            measure(codec.url, PROMPTS, predictor=codec)
        assert workers() == []

    def test_workers_sign_with_keys_that_were_renewed_in_the_level(
        self, measure: Any, bedrock: Emulator, aws_process_credentials: Path
    ) -> None:
        """Renewed are they, but to a token that is known to be refused: so it shows from when on it is used."""
        write_keys(aws_process_credentials, ACCESS_KEY, SECRET_KEY, "t")
        codec = ConversePredictor(f"{bedrock.base_url}{MODEL}", signing=BEDROCK)
        rows = measure(
            codec.url,
            PROMPTS,
            predictor=codec,
            prompt_reuse="allowed",
            duration=1.6,
            on_progress=lambda _: write_keys(aws_process_credentials, ACCESS_KEY, SECRET_KEY, EXPIRED_TOKEN),
        ).rows
        failed = [row["error"] == "http_4xx" for row in rows]
        assert (failed[0], failed[-1]) == (False, True)
        assert failed == sorted(failed)

    def test_keys_lost_in_a_level_end_it_and_leave_nothing(
        self, measure: Any, bedrock: Emulator, aws_process_credentials: Path, workers: Any
    ) -> None:
        write_keys(aws_process_credentials, ACCESS_KEY, SECRET_KEY, "t")
        codec = ConversePredictor(f"{bedrock.base_url}{MODEL}", signing=BEDROCK)
        with pytest.raises(CredentialsError, match="cannot obtain or renew AWS credentials"):
            measure(
                codec.url,
                PROMPTS,
                predictor=codec,
                prompt_reuse="allowed",
                duration=30.0,
                on_progress=lambda _: aws_process_credentials.unlink(missing_ok=True),
            )
        assert workers() == []

    @pytest.mark.usefixtures("credentials")
    def test_no_key_is_left_in_any_file(self, measure: Any, bedrock: Emulator, tmp_path: Path) -> None:
        seen: list[bytes] = []

        def read_all(_: object) -> None:
            seen.extend(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())

        codec = ConversePredictor(f"{bedrock.base_url}{MODEL}", signing=BEDROCK)
        measure(codec.url, PROMPTS, predictor=codec, on_progress=read_all)
        read_all(None)
        assert seen
        assert not any(SECRET_KEY.encode() in data for data in seen)
