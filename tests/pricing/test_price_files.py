from __future__ import annotations

from pathlib import Path

import pytest

from fmbench_lib.errors import PriceFileError
from fmbench_lib.pricing.price_files import LOOKED_UP, read_looked_up, read_price_file, write_looked_up
from fmbench_lib.pricing.price_list import InstancePrice, Origin, PriceList, TokenPrice

ORIGIN = Origin("AmazonEC2, on demand", "2026-11-24", "eu-west-1", True, LOOKED_UP)


def test_what_was_looked_up_is_read_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    kept = PriceList(
        {
            "g6e.xlarge": InstancePrice("g6e.xlarge", 2.0771, ORIGIN, accelerators=1),
            "m7i.large": InstancePrice("m7i.large", 0.1, ORIGIN),
            "a.model": TokenPrice("a.model", 0.1, 0.2, ORIGIN),
            "b.model": TokenPrice("b.model", 0.1, 0.2, ORIGIN, cached_per_1k=0.01),
        },
        absent={"p9.large": "AWS refused"},
    )
    write_looked_up(path, kept)
    assert read_looked_up(path) == kept
    assert read_looked_up(tmp_path / "none.json") == PriceList()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- 1", "a price file holds"),
        ("{", "cannot read the price file"),
        (b"\xff\xfe\x00", "cannot read the price file"),
    ],
)
def test_what_is_no_price_file_is_one_line(tmp_path: Path, text: str | bytes, said: str) -> None:
    path = tmp_path / "mine.yml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(PriceFileError, match=said) as caught:
        read_price_file(path)
    assert "mine.yml" in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(PriceFileError, match="cannot read the price file"):
        read_price_file(tmp_path / "none.yml")
