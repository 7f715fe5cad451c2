"""Mutated configs, hostile servers and odd sources: none gives a traceback, hangs, or ends more than its own part.

A sample runs with the other tests. `make fuzz` runs all: a thousand configs, each server twice, each source twice.
FMBENCH_FUZZ_CONFIGS names folders (separated as in PATH) whose configs are mutated too.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import socket
import struct
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.cli.commands import main
from fmbench_lib.config import Filter, LoadedConfig, load_config
from fmbench_lib.config.shipped.files import shipped_configs
from fmbench_lib.data.prompts import generate_payloads
from fmbench_lib.data.sources.base import SourceRequest
from fmbench_lib.data.sources.jsonl import open_file
from fmbench_lib.data.tokenizers import WordTokenizer
from fmbench_lib.errors import ERROR_CLASSES, EndpointError, InputError
from fmbench_lib.host.atomic_files import read_rows, write_rows
from fmbench_lib.load.probe import probe
from fmbench_lib.load.recording.records import table_from_rows
from fmbench_lib.predictors.openai import OpenAiPredictor
from tests.fuzz.hostile_servers import RESET, SERVERS
from tests.fuzz.hostile_sources import GOOD, ROWS
from tests.fuzz.mutations import mutated
from tests.load.conftest import Peer

ALL = bool(os.environ.get("FMBENCH_FUZZ"))
CONFIGS = sorted((Path(__file__).parents[1] / "config" / "data").glob("*.yml"))
CONFIGS += [path for _, path, _ in shipped_configs()]
FOLDERS = filter(None, os.environ.get("FMBENCH_FUZZ_CONFIGS", "").split(os.pathsep))
CONFIGS += [path for folder in FOLDERS for path in sorted(Path(folder).rglob("*.yml"))]
VALUES = {"model_id": "org/model", "tokenizer": "words", "instance_type": "g5.xlarge", "tp_degree": "1"}
MUTATIONS = range(1000 if ALL else 60)
TRIALS = [(name, trial) for name in SERVERS for trial in range(2)]
SAMPLE = TRIALS if ALL else random.Random(1).sample(TRIALS, 8)
SOURCES = sorted(ROWS) if ALL else random.Random(1).sample(sorted(ROWS), 10)


@pytest.mark.parametrize("number", MUTATIONS)
def test_a_mutated_config_is_taken_or_refused_in_lines(
    number: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = CONFIGS[number % len(CONFIGS)]
    path = tmp_path / "mutated.yml"
    path.write_text(mutated(source.read_text(encoding="utf-8"), f"{number}/{source.name}"), encoding="utf-8")
    begun = time.monotonic()
    given = [word for name, value in VALUES.items() for word in ("-A", f"{name}={value}")]
    code = main(["validate", *given, str(path)])
    out, err = capsys.readouterr()
    assert time.monotonic() - begun < 60, "it hung"
    assert code in (0, 2)
    assert not re.search(r"Traceback|cannot be checked|fmbench: unexpected", out + err)
    assert all(line.startswith(str(path)) for line in (out + err).splitlines())
    assert (f"{path}: ok" in out) == (code == 0)
    if code == 0 and "needs -A" not in err and is_cheap(load_config(path, arguments=VALUES)):
        code = main(["plan", *given, "--local-mode", "yes", str(path)])
        out, err = capsys.readouterr()
        assert code in (0, 2)
        assert not re.search(r"Traceback|fmbench: unexpected", out + err)


def is_cheap(loaded: LoadedConfig) -> bool:
    """Whether a plan of it reads nothing that is not on this machine."""
    experiments, source = loaded.config.experiments, loaded.config.s3_read_data
    here = all(one.platform == "endpoint" and one.tokenizer == "words" for one in experiments)
    return here and not any(":" in name for name in source.source_data_files)


def hostile(name: str, trial: int) -> Callable[[Peer], None]:
    def serve(peer: Peer) -> None:
        while peer.request():
            for piece in SERVERS[name](random.Random(f"{name}/{trial}")):
                if piece is RESET:
                    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return
                peer.send(piece)
            if trial:
                return  # the second time, the connection is closed after each response

    return serve


@pytest.mark.parametrize(("name", "trial"), SAMPLE)
def test_a_hostile_server_costs_its_own_requests(
    name: str, trial: int, measure: Callable[..., Any], scripted: Callable[..., Any]
) -> None:
    server = scripted([hostile(name, trial)])
    begun = time.monotonic()
    for stream in (False, True):
        predictor = OpenAiPredictor(server.url, "m", {}, stream, None)
        with contextlib.suppress(EndpointError):
            probe(predictor, timeout=2.0)
        level = measure(
            server.url, ["a", "b", "c"], requests=3, concurrency=3, timeout=1.0, max_response_bytes=1_000_000,
            predictor=predictor,
        )  # fmt: skip
        assert len(level.rows) == 3
        assert all(row["error"] is None or row["error"] in ERROR_CLASSES for row in level.rows)
        assert table_from_rows(level.rows).num_rows == 3
    assert time.monotonic() - begun < 60, "it hung"


@pytest.fixture
def measure(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Runs a level, as the tests of `load/` do."""
    from tests.load import conftest

    return conftest.measure.__wrapped__(tmp_path)


@pytest.fixture
def scripted() -> Any:
    """Starts a scripted server, as the tests of `load/` do."""
    from tests.load import conftest

    yield from conftest.scripted.__wrapped__()


@pytest.mark.parametrize("between", [False, True])
@pytest.mark.parametrize("name", SOURCES)
def test_an_odd_source_gives_prompts_or_one_line(name: str, between: bool, tmp_path: Path) -> None:
    path = tmp_path / "source.jsonl"
    path.write_bytes(GOOD.encode() + ROWS[name] + GOOD.encode() if between else ROWS[name])
    filters = [Filter(max_length_in_tokens=10**9, min_length_in_tokens=0, payload_file="all.jsonl")]
    make = partial(
        generate_payloads, template="Answer: {input}", template_keys=["input"], filters=filters,
        tokenizer=WordTokenizer(), seed=1,
    )  # fmt: skip
    try:
        made = make([open_file(SourceRequest("source.jsonl", path, 10))])
    except InputError:
        return
    write_rows(tmp_path / "all.jsonl", iter(made.files["all.jsonl"]))
    assert list(read_rows(tmp_path / "all.jsonl")) == made.files["all.jsonl"]
