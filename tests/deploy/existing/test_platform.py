"""An address that exists already: probed before any load, and never deleted."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

from fmbench_lib.config import Experiment
from fmbench_lib.deploy import platform
from fmbench_lib.errors import DeployError, EndpointError
from fmbench_lib.host.ports import claim_ports

EXISTING = platform("endpoint")


def existing(ep_name: str | None) -> Experiment:
    return Experiment(
        name="there", platform="endpoint", protocol="openai", deploy=False, ep_name=ep_name, model_id="org/model"
    )


def answer(url: str, model: str | None) -> None:
    assert model == "org/model"


def test_every_address_is_probed_and_nothing_is_owned(context: Callable[..., Any]) -> None:
    given, notes = context(probe=answer)
    endpoint = EXISTING.deploy(existing("http://a:1/v1/chat/completions, http://b:2/v1/chat/completions"), given)
    assert endpoint.urls == ("http://a:1/v1/chat/completions", "http://b:2/v1/chat/completions")
    assert notes.asked == list(endpoint.urls)
    assert (endpoint.status, endpoint.owned, endpoint.model) == ("in_service", False, "org/model")
    assert notes.recorded == [endpoint]
    assert EXISTING.delete(endpoint) == endpoint


def test_a_refusing_address_is_named(context: Callable[..., Any]) -> None:
    port = claim_ports(None, 1)[0]
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    given, notes = context()
    with pytest.raises(DeployError, match=rf"{url}.*refused"):
        EXISTING.deploy(existing(url), given)
    assert notes.recorded[-1].status == "failed"


def test_the_address_is_named_where_the_error_does_not_name_it(context: Callable[..., Any]) -> None:
    def refuse(url: str, model: str | None) -> None:
        raise EndpointError("HTTP 401: no key")

    given, _ = context(probe=refuse)
    with pytest.raises(DeployError, match=r"^http://a:1/x: HTTP 401: no key$"):
        EXISTING.deploy(existing("http://a:1/x"), given)


@pytest.mark.parametrize("ep_name", [None, " , "])
def test_a_missing_address_is_an_error(context: Callable[..., Any], ep_name: str | None) -> None:
    given, _ = context(probe=answer)
    with pytest.raises(DeployError, match="needs ep_name"):
        EXISTING.deploy(existing(ep_name), given)


def test_it_is_alive_as_long_as_it_takes_connections(context: Callable[..., Any]) -> None:
    given, _ = context(probe=answer)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1/chat/completions"
        endpoint = EXISTING.deploy(existing(url), given)
        assert EXISTING.why_dead(endpoint) == ""
    assert EXISTING.why_dead(endpoint).startswith(f"{url} does not answer: ")
