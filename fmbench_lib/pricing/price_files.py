"""Price files, and the prices that were looked up for a run, which are stored in the same form."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from fmbench_lib.errors import PriceFileError
from fmbench_lib.host.atomic_files import read_json, write_json
from fmbench_lib.pricing.price_list import (
    CACHE_WRITE_KEY,
    CACHED_KEY,
    INPUT_KEY,
    OUTPUT_KEY,
    InstancePrice,
    Price,
    PriceList,
)

LOOKED_UP = "AWS Price List API"


def read_price_file(path: Path) -> PriceList:
    """The prices of a YAML file. Raises PriceFileError if it cannot be read or an entry is not a price."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise PriceFileError(f"{path}: cannot read the price file: {' '.join(str(error).split())}") from error
    if not isinstance(content, Mapping):
        raise PriceFileError(f"{path}: a price file holds `pricing: {{instance_based: …, token_based: …}}`")
    return PriceList.from_mapping(content, path.name)


def read_looked_up(path: Path) -> PriceList:
    """The prices that were looked up for a run, with the reasons for those not found; empty without the file."""
    if not path.exists():
        return PriceList()
    content = read_json(path)
    prices = PriceList.from_mapping(content, LOOKED_UP)
    return PriceList(prices.entries, absent=content["absent"])


def write_looked_up(path: Path, looked_up: PriceList) -> None:
    """Write the prices that were looked up, in the form of a price file, and the reasons for those not found."""
    sections: dict[str, dict[str, Any]] = {"instance_based": {}, "token_based": {}}
    for key, price in looked_up.entries.items():
        section = "instance_based" if isinstance(price, InstancePrice) else "token_based"
        sections[section][key] = _entry(price)
    write_json(path, {"pricing": sections, "absent": dict(looked_up.absent)})


def _entry(price: Price) -> dict[str, Any]:
    origin = price.origin
    facts: dict[str, Any] = {
        "source": origin.source,
        "region": origin.region,
        "date": origin.date,
        "verified": origin.verified,
    }
    if isinstance(price, InstancePrice):
        accelerators = {} if price.accelerators is None else {"accelerators": price.accelerators}
        return {"hourly": price.hourly, **accelerators, **facts}
    cache = {CACHED_KEY: price.cached_per_1k, CACHE_WRITE_KEY: price.cache_write_per_1k}
    known = {key: rate for key, rate in cache.items() if rate is not None}
    return {INPUT_KEY: price.input_per_1k, OUTPUT_KEY: price.output_per_1k, **known, **facts}
