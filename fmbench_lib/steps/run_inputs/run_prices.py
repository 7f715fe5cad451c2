"""The prices of a run: those that ship, overridden by the config's, and those looked up for the rest."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from fmbench_lib.config import shipped_path
from fmbench_lib.config.platforms import platform_facts
from fmbench_lib.config.secret_forms import without_secrets
from fmbench_lib.errors import PriceLookupError
from fmbench_lib.pricing.price_files import read_looked_up, read_price_file, write_looked_up
from fmbench_lib.pricing.price_list import Price, PriceList
from fmbench_lib.pricing.price_list_api import Lookup, look_up
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.run_inputs.inputs import file_of


def load_prices(run: Run) -> PriceList:
    """All known prices; makes no network call.

    Raises PriceFileError when a file cannot be read or an entry is not a price.
    """
    return read_looked_up(run.workspace.prices_file).overridden_by(listed_prices(run))


def listed_prices(run: Run) -> PriceList:
    """The prices that ship, with each entry that the config gives replaced."""
    path = shipped_path("pricing.yml")
    shipped = read_price_file(path) if path is not None else PriceList()
    pricing = run.config.pricing
    if isinstance(pricing, Mapping):
        return shipped.overridden_by(PriceList.from_mapping(pricing, "the config"))
    return shipped.overridden_by(
        read_price_file(file_of(run, pricing, "price file", run.config.s3_read_data.configs_prefix))
    )


def look_up_prices(run: Run) -> None:
    """Look up the prices that no file lists, if the config allows it, and store them in the run's directory.

    Prices that were found earlier stay: a run is priced once. Those not found are looked up again. A failed lookup
    leaves its price missing, with the reason, and does not affect the others.
    """
    if not run.config.aws.price_lookup:
        return
    listed, known = listed_prices(run), read_looked_up(run.workspace.prices_file)
    prices: dict[str, Price] = dict(known.entries)
    absent: dict[str, str] = {}
    for key, regions in _missing(run, listed.overridden_by(known)).items():
        try:
            prices[key] = _looked_up(run, key, regions)
        except PriceLookupError as error:
            absent[key] = without_secrets(str(error))
        outcome = f"not found: {absent[key]}" if key in absent else "found"
        run.workspace.log_event("price looked up", key=key, outcome=outcome)
    if prices or absent:
        write_looked_up(run.workspace.prices_file, PriceList(prices, absent=absent))


def price_notices(run: Run, prices: PriceList) -> list[str]:
    """Notices on a run's prices, one line each: missing prices, and prices of another region."""
    notices = []
    for experiment in run.config.experiments:
        price = prices.lookup(experiment.instance_type)
        region, listed = experiment.region or run.config.aws.region, price.origin.region if price else None
        if price is None:
            notices.append(f"{experiment.name}: {prices.why_none(experiment.instance_type)}; its cost is not known")
        elif region and listed and listed != region:
            notices.append(f"{experiment.name}: the price of {price.key} is that of {listed}, it ran in {region}")
    return notices


def _missing(run: Run, known: PriceList) -> dict[str, set[str | None]]:
    """The instance types without a price, each with the regions in which experiments use it."""
    missing: dict[str, set[str | None]] = {}
    for experiment in run.config.experiments:
        kind = experiment.instance_type
        if kind and kind not in known.entries:
            missing.setdefault(kind, set()).add(experiment.region or run.config.aws.region)
    return missing


def _looked_up(run: Run, key: str, regions: set[str | None]) -> Price:
    region = next(iter(regions))
    if len(regions) > 1:
        raise PriceLookupError("it is used in several regions, but a run has one price per type: give it in `pricing`")
    if region is None:
        raise PriceLookupError("the region is unknown: set aws.region")
    by_model = any(
        platform_facts(experiment.platform).priced_by == "model" and experiment.instance_type == key
        for experiment in run.config.experiments
    )
    return look_up(Lookup(key, region, datetime.now(UTC).date().isoformat(), by_model))
