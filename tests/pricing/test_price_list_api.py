"""Prices as the AWS Price List API gives them to unmodified boto3, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fmbench_lib.errors import PriceLookupError
from fmbench_lib.pricing.price_list import InstancePrice, Origin, TokenPrice
from fmbench_lib.pricing.price_list_api import Lookup, look_up
from tests.pricing.price_list import PriceList, price_list

DATE = "2026-11-24"


@pytest.fixture
def api() -> Iterator[PriceList]:
    with price_list() as known:
        yield known


def origin(source: str, region: str = "us-west-2") -> Origin:
    return Origin(source, DATE, region, verified=True, listed_in="AWS Price List API")


def test_an_instance_on_demand_among_its_variants(api: PriceList) -> None:
    found = look_up(Lookup("g6e.xlarge", "us-west-2", DATE))
    assert found == InstancePrice("g6e.xlarge", 1.861, origin("AmazonEC2, on demand"), accelerators=1)


def test_the_price_is_that_of_the_region(api: PriceList) -> None:
    found = look_up(Lookup("g6e.xlarge", "eu-west-1", DATE))
    assert found == InstancePrice("g6e.xlarge", 2.0771, origin("AmazonEC2, on demand", "eu-west-1"), accelerators=1)


def test_a_sagemaker_instance_costs_what_hosting_costs(api: PriceList) -> None:
    found = look_up(Lookup("ml.g6e.xlarge", "us-west-2", DATE))
    assert found == InstancePrice("ml.g6e.xlarge", 2.6054, origin("AmazonSageMaker, on demand"), accelerators=1)


@pytest.mark.parametrize("model", ["amazon.nova-lite-v1:0", "us.amazon.nova-lite-v1:0"])
def test_a_model_by_the_name_that_bedrock_gives_it(api: PriceList, model: str) -> None:
    found = look_up(Lookup(model, "us-west-2", DATE, bedrock=True))
    assert isinstance(found, TokenPrice)
    assert (found.key, found.origin) == (model, origin("AmazonBedrock, Nova Lite, on demand"))
    assert (found.input_per_1k, found.cached_per_1k) == (0.00006, 0.000015)
    assert found.output_per_1k == pytest.approx(0.00024), "0.24 per 1M tokens"


@pytest.mark.parametrize(
    ("key", "bedrock", "reason"),
    [
        ("p99.48xlarge", False, "the list has no hourly price for it"),
        ("x9free.large", False, "the list has no hourly price for it"),
        ("x9z.large", False, "several hourly prices for it (5, 6 USD)"),
        ("local-cpu", False, "not the name of an AWS instance type"),
        ("amazon.nova-odd-v1:0", True, "no price for output tokens"),
        (
            "some.model-v1:0",
            True,
            "querying the AWS price list: ResourceNotFoundException: Could not resolve the foundation model",
        ),
        ("arn:aws:bedrock:us-west-2:1:provisioned-model/a", True, "provisioned throughput is not looked up"),
    ],
)
def test_what_is_not_there_is_an_error_with_its_reason(api: PriceList, key: str, bedrock: bool, reason: str) -> None:
    with pytest.raises(PriceLookupError) as caught:
        look_up(Lookup(key, "us-west-2", DATE, bedrock))
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_refusal_and_an_answer_of_another_form_are_told(api: PriceList) -> None:
    api.refusals["AmazonEC2"] = ("AccessDeniedException", "not authorized to perform: pricing:GetProducts")
    with pytest.raises(PriceLookupError, match="querying the AWS price list: not allowed: not authorized"):
        look_up(Lookup("g6e.xlarge", "us-west-2", DATE))
    api.broken = True
    with pytest.raises(PriceLookupError, match="not in the form of a price list"):
        look_up(Lookup("ml.g6e.xlarge", "us-west-2", DATE))


def test_without_credentials_and_without_an_answer(api: PriceList, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_PRICING", "http://127.0.0.1:9")
    with pytest.raises(PriceLookupError, match=r"AWS price list: 127\.0\.0\.1:9 cannot be reached"):
        look_up(Lookup("g6e.xlarge", "us-west-2", DATE))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    with pytest.raises(PriceLookupError, match="AWS price list: no AWS credentials found"):
        look_up(Lookup("g6e.xlarge", "us-west-2", DATE))


def test_what_is_asked(api: PriceList) -> None:
    look_up(Lookup("g6e.xlarge", "us-west-2", DATE))
    filters = {one["Field"]: one["Value"] for one in api.asked[0]["Filters"]}
    assert filters == {
        "regionCode": "us-west-2",
        "instanceType": "g6e.xlarge",
        "operatingSystem": "Linux",
        "tenancy": "Shared",
        "preInstalledSw": "NA",
        "capacitystatus": "Used",
    }
    assert [one.get("NextToken") for one in api.asked] == [None, "1"], "every page is read"
