"""The prices of a run: files over one another, lookups for what they lack, and what is said of it all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from fmbench_lib.errors import PriceFileError
from fmbench_lib.host.atomic_files import read_json
from fmbench_lib.runs.opening import create_run
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.run_inputs.run_prices import load_prices, look_up_prices, price_notices
from tests.pricing.price_list import PriceList, price_list

NewRun = Callable[..., Run]


@pytest.fixture
def api() -> Iterator[PriceList]:
    with price_list() as known:
        yield known


@pytest.fixture
def new_run(tmp_path: Path) -> NewRun:
    """A run of one experiment for each of these instance types; nothing is deployed or sent."""

    def make(*kinds: str, aws: dict[str, Any] | None = None, **sections: Any) -> Run:
        content = {
            "general": {"name": "priced"},
            "aws": {"region": "us-west-2", "price_lookup": True, **(aws or {})},
            "datasets": {"filters": [{"max_length_in_tokens": 500, "payload_file": "all.jsonl"}]},
            "experiments": [
                {
                    "name": kind,
                    "platform": "endpoint",
                    "ep_name": "http://127.0.0.1:9/v1/chat/completions",
                    "model_id": "m",
                    "tokenizer": "words",
                    "instance_type": kind,
                    "concurrency_levels": [1],
                }
                for kind in kinds
            ],
            **sections,
        }
        path = tmp_path / "priced.yml"
        path.write_text(yaml.safe_dump(content))
        return create_run(path, results=tmp_path / "results")

    return make


def test_only_what_no_file_lists_is_looked_up_once(api: PriceList, new_run: NewRun) -> None:
    run = new_run("g6e.xlarge", "g5.xlarge", "mine", pricing={"mine": 2.0})
    look_up_prices(run)
    prices = load_prices(run)
    assert [prices.lookup(kind).hourly for kind in ("g6e.xlarge", "g5.xlarge", "mine")] == [1.861, 1.006, 2.0]
    assert {one["Value"] for asked in api.asked for one in asked["Filters"] if one["Field"] == "instanceType"} == {
        "g6e.xlarge"
    }
    kept = read_json(run.workspace.prices_file)["pricing"]["instance_based"]["g6e.xlarge"]
    assert kept == {
        "hourly": 1.861,
        "accelerators": 1,
        "source": "AmazonEC2, on demand",
        "region": "us-west-2",
        "date": datetime.now(UTC).date().isoformat(),
        "verified": True,
    }
    assert price_notices(run, prices) == []
    before = len(api.asked)
    api.products.clear()
    look_up_prices(run)
    assert len(api.asked) == before
    assert load_prices(run).lookup("g6e.xlarge") == prices.lookup("g6e.xlarge")


def test_a_lookup_that_fails_leaves_the_other_prices_alone(api: PriceList, new_run: NewRun) -> None:
    run = new_run("ml.g6e.xlarge", "g6e.xlarge", "g5.xlarge")
    api.refusals["AmazonSageMaker"] = ("ThrottlingException", "Rate exceeded for key hf_abcdefghijklmnopqrstuvwxyz")
    look_up_prices(run)
    prices = load_prices(run)
    assert prices.lookup("ml.g6e.xlarge") is None
    assert (prices.lookup("g6e.xlarge").hourly, prices.lookup("g5.xlarge").hourly) == (1.861, 1.006)
    reason = (
        "no price listed for ml.g6e.xlarge, and none found: querying the AWS price list: AWS throttles the account's "
        "calls (Rate exceeded for key <removed>); try again, with fewer experiments at once"
    )
    assert price_notices(run, prices) == [f"ml.g6e.xlarge: {reason}; its cost is not known"]
    api.refusals.clear()
    look_up_prices(run)
    assert load_prices(run).lookup("ml.g6e.xlarge").hourly == 2.6054, "what failed is asked again"
    assert load_prices(run).absent == {}


def test_nothing_is_asked_where_the_config_does_not_allow_it(api: PriceList, new_run: NewRun) -> None:
    run = new_run("g6e.xlarge", aws={"price_lookup": False})
    look_up_prices(run)
    assert api.asked == []
    assert not run.workspace.prices_file.exists()
    assert price_notices(run, load_prices(run)) == ["g6e.xlarge: no price listed for g6e.xlarge; its cost is not known"]


def test_one_type_in_two_regions_has_no_one_price(api: PriceList, new_run: NewRun) -> None:
    run = new_run("g6e.xlarge", "g6e.xlarge")
    regions = yaml.safe_load(Path(run.loaded.path).read_text())
    regions["experiments"][1]["region"] = "eu-west-1"
    run = new_run("g6e.xlarge", "g6e.xlarge", experiments=regions["experiments"])
    look_up_prices(run)
    assert "used in several regions" in load_prices(run).absent["g6e.xlarge"]
    assert api.asked == []


def test_without_a_region_nothing_can_be_looked_up(api: PriceList, new_run: NewRun) -> None:
    run = new_run("g6e.xlarge", aws={"region": None})
    look_up_prices(run)
    assert load_prices(run).absent == {"g6e.xlarge": "the region is unknown: set aws.region"}


def test_a_price_of_another_region_is_told(new_run: NewRun) -> None:
    listed = {"instance_based": {"mine": {"hourly": 2.0, "region": "eu-west-1"}}, "token_based": {}}
    run = new_run("mine", pricing=listed)
    (notice,) = price_notices(run, load_prices(run))
    assert notice == "mine: the price of mine is that of eu-west-1, it ran in us-west-2"


def test_a_users_file_replaces_entry_by_entry(new_run: NewRun, tmp_path: Path) -> None:
    (tmp_path / "mine.yml").write_text("pricing: {instance_based: {g5.xlarge: 0.5}}")
    prices = load_prices(new_run("g5.xlarge", pricing="mine.yml"))
    assert (prices.lookup("g5.xlarge").hourly, prices.lookup("g5.xlarge").origin.listed_in) == (0.5, "mine.yml")
    assert prices.lookup("g5.2xlarge").hourly == 1.212
    assert prices.lookup("g5.2xlarge").origin.listed_in == "pricing.yml"
    (tmp_path / "mine.yml").write_text("pricing: {instance_based: {g5.xlarge: cheap}}")
    with pytest.raises(PriceFileError, match=r"mine\.yml: pricing\.instance_based\.g5\.xlarge"):
        load_prices(new_run("g5.xlarge", pricing="mine.yml"))
