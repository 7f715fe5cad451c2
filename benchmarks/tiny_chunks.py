"""What responses in the smallest pieces cost: the peak memory of each process, and whether what was recorded is right.

    python benchmarks/tiny_chunks.py [SECONDS]

A server sends event streams without end, in chunks of one byte, as fast as it can for SECONDS (default 60), in four
ways: events of a word, of a letter, comments alone, and events of a word whose every chunk is sent by itself. A level
of 1 and one of 16 requests at a time are sent to each and decoded to records. Every request ends at its timeout or at
`load.max_response_bytes` (64 MiB). The peaks of resident memory are the kernel's (`VmHWM`). Prints a table, writes
`benchmarks/results/tiny_chunks.json`, and fails where a worker needs more than the responses in flight may have and a
fixed part, another process more than a fixed part, or an error is none that these limits mean.
"""

from __future__ import annotations

import contextlib
import json
import pickle
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from memory import Peaks, in_a_process, looked_at
from output import print_table, write_result

from fmbench_lib.config.load_settings import LoadSettings
from fmbench_lib.config.schema.stop_rule import StopRule
from fmbench_lib.load.recording.parallel_decoding import Job, tables_of
from fmbench_lib.load.recording.recorder import Recorder, SentPrompt
from fmbench_lib.load.recording.records import write_tables
from fmbench_lib.load.sending.engine import run_level
from fmbench_lib.load.sending.level import Level
from fmbench_lib.predictors.openai import OpenAiPredictor
from fmbench_lib.workspace import LevelKey

STREAMS = (1, 16)
LIMIT_BYTES = 64 << 20
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
WORD, LETTER = (b'data: {"choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n' % text for text in (b"word ", b"a"))
WAYS = {"words": WORD * 8, "letters": LETTER * 8, "comments": b": ping\n" * 64, "chunk by chunk": WORD}
PEAKS = {
    "engine_mib": "engine MiB",
    "worker_mib": "largest worker MiB",
    "decoding_mib": "decoding MiB",
    "decoder_mib": "largest decoder MiB",
}
COLUMNS = (
    ("way", "way"), ("streams", "streams"), ("requests", "requests"), ("errors", "errors"), *PEAKS.items(),
    ("spool_mib", "spools MiB"), ("sending_s", "sending s"), ("decoding_s", "decoding s"),
)  # fmt: skip
MOST_MIB = {"engine_mib": 150, "worker_mib": 150, "decoding_mib": 600, "decoder_mib": 600}
"""What is more than the responses in flight: a worker writes one that is over, and a decoder holds one at a time."""


def chunks(body: bytes) -> bytes:
    """A body in chunks of one byte."""
    return b"".join(b"1\r\n%c\r\n" % byte for byte in body)


@contextlib.contextmanager
def server(way: str) -> Iterator[str]:
    """The address of a server that answers every request without end, in one way."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    whole = chunks(WAYS[way])
    alone = [whole[at : at + 6] for at in range(0, len(whole), 6)]
    pieces = alone if way == "chunk by chunk" else [whole * (1 + (1 << 16) // len(whole))]

    def serve(peer: socket.socket) -> None:
        with peer, contextlib.suppress(OSError):
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer.recv(1 << 16)
            peer.sendall(HEAD)
            for piece in cycle(pieces):
                peer.sendall(piece)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1/chat/completions"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def send(url: str, streams: int, seconds: float, folder: Path) -> dict[str, float]:
    """Send one level for so many seconds and leave its spools, with what decoding needs to know, in the folder."""
    predictor = OpenAiPredictor(url, "emulated")
    load = LoadSettings(
        prompt_reuse="allowed", timeout=seconds, max_response_bytes=LIMIT_BYTES, stop_on_error_rate=None
    )
    level = Level((url,), (), (0,), "tiny", load, StopRule(duration=seconds), concurrency=streams)
    peaks = Peaks()
    begun = time.monotonic()
    run = run_level(level, iter([predictor.encode("Say something.")]), folder, lambda _: peaks.look())
    key = LevelKey("tiny", "", f"concurrency-{streams}")
    job = Job.of(Recorder(predictor, [SentPrompt("q", None)], [url], key, None), run)
    (folder / "job").write_bytes(pickle.dumps(job))
    return {
        "sending_s": time.monotonic() - begun,
        "spool_mib": sum(spool.stat().st_size for spool in job.spools) / 2**20,
        **peaks.named("engine_mib", "worker_mib"),
    }


def decode(folder: Path) -> dict[str, Any]:
    """Decode what `send` left."""
    job = pickle.loads((folder / "job").read_bytes())
    peaks = Peaks()
    begun = time.monotonic()
    count = write_tables(folder / "records.parquet", looked_at(tables_of(job, folder), peaks), {})
    errors = pq.read_table(folder / "records.parquet", columns=["error"]).column(0).to_pylist()
    return {
        "requests": count,
        "errors": dict(Counter(map(str, errors))),
        "decoding_s": time.monotonic() - begun,
        **peaks.named("decoding_mib", "decoder_mib"),
    }


def level(way: str, streams: int, seconds: float) -> dict[str, Any]:
    """Both parts, each in a process of its own."""
    with tempfile.TemporaryDirectory() as folder, server(way) as url:
        sending = in_a_process(__file__, "send", url, str(streams), str(seconds), folder)
        decoding = in_a_process(__file__, "decode", folder)
    return {"way": way, "streams": streams, **sending, **decoding}


def too_much(row: dict[str, Any]) -> bool:
    """Whether a process had a higher peak than it may, or nothing was recorded."""
    in_flight = row["streams"] * LIMIT_BYTES / 2**20
    allowed = {name: most + (in_flight if name == "worker_mib" else 0) for name, most in MOST_MIB.items()}
    return not row["requests"] or any(row[name] > most for name, most in allowed.items())


def main(argv: Sequence[str]) -> int:
    """One part, for the process of its own, or all of them."""
    if argv[:1] == ["send"]:
        print(json.dumps(send(argv[1], int(argv[2]), float(argv[3]), Path(argv[4]))))
        return 0
    if argv[:1] == ["decode"]:
        print(json.dumps(decode(Path(argv[1]))))
        return 0
    seconds = float(argv[0]) if argv else 60.0
    rows = [level(way, streams, seconds) for way in WAYS for streams in STREAMS]
    print_table(COLUMNS, rows)
    wrong = [row for row in rows if too_much(row) or set(row["errors"]) - {"protocol", "timeout", "cancelled"}]
    print("as it should be" if not wrong else "not as it should be")
    write_result("tiny_chunks", {"seconds": seconds, "limit_bytes": LIMIT_BYTES, "levels": rows})
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
