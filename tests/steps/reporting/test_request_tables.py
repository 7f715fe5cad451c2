from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from fmbench_lib.metrics.request_table import REQUEST_COLUMNS
from fmbench_lib.steps.reporting.request_tables import csv_notices, csv_wanted, request_tables

EMPTY = dict.fromkeys(REQUEST_COLUMNS)


def rows(*changes: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame([EMPTY | change for change in changes], columns=list(REQUEST_COLUMNS))


def test_blocks_stand_in_order_and_say_the_same_in_both_files(tmp_path: Path) -> None:
    parquet, csv = tmp_path / "t.parquet", tmp_path / "t.csv"
    with request_tables(parquet, csv) as tables:
        for number in range(20):
            tables.write(rows({"request_id": f"r{number}", "prompt_token_count": number, "latency": number / 7}))
    read, table = pd.read_csv(csv), pq.read_table(parquet).to_pandas()
    assert tuple(read.columns) == tuple(table.columns) == REQUEST_COLUMNS
    for frame in (read, table):
        assert frame["request_id"].tolist() == [f"r{number}" for number in range(20)]
        assert frame["prompt_token_count"].tolist() == list(range(20))
        assert frame["latency"].tolist() == [number / 7 for number in range(20)], "not a digit is lost"
        assert frame["TTFT"].isna().all()


def test_what_a_cell_is_in_csv(tmp_path: Path) -> None:
    csv = tmp_path / "t.csv"
    told = {"completion": '=1+1,"x"\nnext\x1b', "success": True, "reused": None, "error": None, "TTFT": float("nan")}
    with request_tables(tmp_path / "t.parquet", csv) as tables:
        tables.write(rows(told, {"success": False, "completion": "é, \r\n"}))
    text = io.StringIO(csv.read_bytes().decode())
    first, second = pd.read_csv(text, dtype=str, keep_default_na=False).to_dict("records")
    assert first["completion"] == '\'=1+1,"x"\nnext␛', "no spreadsheet computes it, no terminal obeys it"
    assert (first["success"], second["success"]) == ("True", "False")
    assert first["reused"] == first["error"] == first["TTFT"] == ""
    assert second["completion"] == "é, \r\n"
    whole = pq.read_table(tmp_path / "t.parquet").column("completion")[0].as_py()
    assert whole == told["completion"], "only the CSV is for spreadsheets"


@pytest.mark.parametrize(
    ("choice", "requests", "wanted", "notices"),
    [
        ("auto", 1_048_575, True, 0),
        ("auto", 1_048_576, False, 1),
        ("yes", 10_000_000, True, 0),
        ("no", 1, False, 0),
        ("no", 10_000_000, False, 0),
    ],
)
def test_which_runs_have_a_csv(choice: str, requests: int, wanted: bool, notices: int) -> None:
    assert csv_wanted(choice, requests) is wanted
    assert len(csv_notices(choice, requests)) == notices


def test_without_rows_there_is_a_header_alone(tmp_path: Path) -> None:
    with request_tables(tmp_path / "t.parquet", tmp_path / "t.csv"):
        pass
    assert (tmp_path / "t.csv").read_text() == ",".join(REQUEST_COLUMNS) + "\n"


def test_neither_file_is_there_where_writing_broke_down_or_csv_is_not_wanted(tmp_path: Path) -> None:
    broken = pd.DataFrame({"request_id": ["r"]})
    with pytest.raises(KeyError), request_tables(tmp_path / "t.parquet", tmp_path / "t.csv") as tables:
        tables.write(broken)
    assert list(tmp_path.iterdir()) == []
    with request_tables(tmp_path / "t.parquet", None) as tables:
        tables.write(rows({"request_id": "r"}))
    assert [path.name for path in tmp_path.iterdir()] == ["t.parquet"]
