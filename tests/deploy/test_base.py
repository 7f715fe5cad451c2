"""What is remembered of endpoints, and how platforms are found."""

from __future__ import annotations

import json

import pytest

from fmbench_lib.deploy import Endpoint, deployed, platform, still_standing
from fmbench_lib.errors import DeployError


def test_platforms_are_found_by_name_and_others_are_named() -> None:
    assert platform("local") is platform("local")
    with pytest.raises(DeployError, match=r"'moon'.*there are: local, endpoint"):
        platform("moon")


def test_an_endpoint_survives_json_and_keys_of_a_later_version() -> None:
    endpoint = Endpoint(
        "a", "local", ("http://x",), True, "failed", ({"pid": 1},), 1.0, None, 2.5, "why", ("log",), "m"
    )
    facts = json.loads(json.dumps(endpoint.to_dict()))
    assert Endpoint.from_dict({**facts, "later": 1}) == endpoint
    assert Endpoint.from_dict({"experiment_name": "a", "platform": "ec2"}).status == "creating"


def test_the_period_of_service_is_what_a_bill_is_made_from() -> None:
    periods = deployed(
        [
            Endpoint("gone", "local", owned=True, status="deleted", in_service_at=100.0, deleted_at=160.0),
            Endpoint("here", "local", owned=True, status="in_service", in_service_at=100.0),
            Endpoint("never", "local", owned=True, status="failed", deleted_at=120.0),
        ]
    )
    assert {name: period.seconds(now=1000.0) for name, period in periods.items()} == {
        "gone": 60.0,
        "here": 900.0,
        "never": None,
    }


def test_what_still_stands_is_what_was_made_and_not_taken_down() -> None:
    endpoints = [
        Endpoint("found", "endpoint", owned=False, status="in_service"),
        Endpoint("made", "local", owned=True, status="in_service"),
        Endpoint("half made", "local", owned=True, status="creating"),
        Endpoint("failed and ended", "local", owned=True, status="failed", deleted_at=1.0),
        Endpoint("deleted", "local", owned=True, status="deleted", deleted_at=1.0),
    ]
    assert [endpoint.experiment_name for endpoint in still_standing(endpoints)] == ["made", "half made"]
