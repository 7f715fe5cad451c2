"""Prices from the AWS Price List API (`pricing:GetProducts`), for what no price file lists."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from fmbench_lib.aws.calls import translated
from fmbench_lib.aws.session import BRIEF, client
from fmbench_lib.errors import PriceLookupError
from fmbench_lib.pricing.price_files import LOOKED_UP
from fmbench_lib.pricing.price_list import InstancePrice, Origin, Price, TokenPrice
from fmbench_lib.pricing.products import Product, accelerators_of, hourly_price, token_price

INSTANCE = re.compile(r"(?:ml\.)?[a-z][a-z0-9\-]*\.(?:nano|micro|small|medium|metal|\d*x?large|metal-\d+xl)")
_LINUX = {"operatingSystem": "Linux", "tenancy": "Shared", "preInstalledSw": "NA", "capacitystatus": "Used"}
_CHINA = "cn-northwest-1"
_EVERYWHERE_ELSE = "us-east-1"
_GEOGRAPHIES = ("us-gov.", "us.", "eu.", "apac.", "jp.", "au.", "ca.")
"""Prefixes of inference profiles within a geography, which cost what the model costs in the calling region."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """A price to look up: of an instance type, or with `bedrock` of a Bedrock model, in a region, on a day."""

    key: str
    region: str
    date: str
    bedrock: bool = False


def look_up(lookup: Lookup) -> Price:
    """The on-demand price as AWS lists it. Raises PriceLookupError, with the reason, if there is none."""
    if not lookup.bedrock and not INSTANCE.fullmatch(lookup.key):
        raise PriceLookupError("it is not the name of an AWS instance type")
    if lookup.key.startswith("arn:"):
        raise PriceLookupError("the hourly price of provisioned throughput is not looked up; give yours in `pricing`")
    with translated("querying the AWS price list", PriceLookupError):
        return _model_price(lookup) if lookup.bedrock else _instance_price(lookup)


def _instance_price(lookup: Lookup) -> InstancePrice:
    hosted = lookup.key.startswith("ml.")
    service = "AmazonSageMaker" if hosted else "AmazonEC2"
    filters = {"instanceName": lookup.key} if hosted else {"instanceType": lookup.key, **_LINUX}
    attributes = {"component": "Hosting"} if hosted else {"marketoption": "OnDemand"}
    products = [product for product in _products(service, lookup, filters) if product.has(**attributes)]
    return InstancePrice(lookup.key, hourly_price(products), _origin(service, lookup), accelerators_of(products))


def _model_price(lookup: Lookup) -> TokenPrice:
    service = "AmazonBedrock"
    model = _model_name(lookup)
    products = _products(service, lookup, {"model": model})
    products = [product for product in products if product.has(feature="On-demand Inference")]
    cached = written = None
    with contextlib.suppress(PriceLookupError):  # most models have no such price
        cached = token_price(products, "Prompt cache read input tokens")
    with contextlib.suppress(PriceLookupError):
        written = token_price(products, "Prompt cache write input tokens")
    return TokenPrice(
        lookup.key,
        token_price(products, "Input tokens"),
        token_price(products, "Output tokens"),
        _origin(f"{service}, {model}", lookup),
        cached,
        written,
    )


def _model_name(lookup: Lookup) -> str:
    """The name of a model in the price list: the one that Bedrock gives for its id."""
    prefix = next((geography for geography in _GEOGRAPHIES if lookup.key.startswith(geography)), "")
    bedrock = client("bedrock", lookup.region, patience=BRIEF)
    details = bedrock.get_foundation_model(modelIdentifier=lookup.key.removeprefix(prefix))["modelDetails"]
    return str(details.get("modelName") or lookup.key)


def _products(service: str, lookup: Lookup, attributes: Mapping[str, str]) -> list[Product]:
    pricing = client("pricing", _CHINA if lookup.region.startswith("cn-") else _EVERYWHERE_ELSE, patience=BRIEF)
    fields = {"regionCode": lookup.region, **attributes}
    filters = [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in fields.items()]
    pages = pricing.get_paginator("get_products").paginate(ServiceCode=service, Filters=filters, FormatVersion="aws_v1")
    return [Product.from_json(text) for page in pages for text in page["PriceList"]]


def _origin(service: str, lookup: Lookup) -> Origin:
    return Origin(f"{service}, on demand", lookup.date, lookup.region, verified=True, listed_in=LOOKED_UP)
