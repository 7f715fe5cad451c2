"""What is recorded of endpoints, and how platforms are found."""

from __future__ import annotations

import json

import pytest

from fmbench_lib.deploy import Endpoint, platform
from fmbench_lib.errors import DeployError


def test_platforms_are_found_by_name_and_unknown_ones_are_errors() -> None:
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
