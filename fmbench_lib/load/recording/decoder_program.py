"""A decoding process, started as `python -m fmbench_lib.load.recording.decoder_program JOB`.

parent → decoder   `<worker> <start> <stop> <file>`: decode that part of a worker's spool into that file
decoder → parent   the number of records, when the file is there
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType

import pyarrow as pa

from fmbench_lib.load.recording.parallel_decoding import Job, Part, table_of


class _NoPandas(MetaPathFinder):
    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None, /) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(name)


def use_arrow_without_pandas() -> None:
    """Have pyarrow find that there is no pandas, which it looks for once, with its first array.

    Importing it takes as long as decoding 60,000 events, and nothing here uses it. A user's codec can import it
    afterwards.
    """
    hidden = _NoPandas()
    sys.meta_path.insert(0, hidden)
    try:
        pa.array([])
    finally:
        sys.meta_path.remove(hidden)


def main() -> None:
    """Decode the parts that the parent asks for, until it closes the pipe."""
    use_arrow_without_pandas()
    received = sys.stdin.buffer
    job: Job = pickle.loads(received.read(int.from_bytes(received.read(8), "little")))
    for line in received:
        worker, start, stop, target = line.decode().rstrip("\n").split(" ", 3)
        table = table_of(job, Part(int(worker), int(start), int(stop)))
        with pa.OSFile(target, "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
        print(table.num_rows, flush=True)


if __name__ == "__main__":
    main()
