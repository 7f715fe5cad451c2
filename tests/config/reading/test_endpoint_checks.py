"""Addresses and headers that nothing can be sent to or with."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fmbench_lib.config import LoadedConfig

Load = Callable[..., LoadedConfig]
Mistakes = Callable[..., dict[str, str]]
ADDRESS = "http://127.0.0.1:8000/v1/chat/completions"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://[::1/v1", "IPv6"),
        ("http://host:99999/v1", "1 to 65535"),
        ("http://host:0/v1", "1 to 65535"),
        ("http://host:port/v1", "1 to 65535"),
        ("http://a..b/v1", "1 to 63 characters"),
        (f"http://{'a' * 64}.com/v1", "1 to 63 characters"),
        ("http://:8000/v1", "has no host"),
        ("http://ho st/v1", "%20"),
        ("http://host\\u0007/v1", "U+0007"),
        (f"{ADDRESS}, http://[", "IPv6"),
    ],
)
def test_an_address_that_is_none_is_said_with_what_is_wrong(
    mistakes: Mistakes, minimal: str, address: str, said: str
) -> None:
    found = mistakes(minimal.replace(ADDRESS, f'"{address}"'))
    assert list(found) == ["experiments[0].ep_name"]
    assert said in found["experiments[0].ep_name"]


def test_a_list_of_addresses_is_told_how_to_write_several(mistakes: Mistakes, minimal: str) -> None:
    found = mistakes(minimal.replace(ADDRESS, f'["{ADDRESS}", "{ADDRESS}"]'))
    assert found["experiments[0].ep_name"].startswith(
        "is a list; write addresses in one text, with commas between them"
    )


@pytest.mark.parametrize("address", ["http://[::1]:8000/llm", "https://bücher.example/llm", "http://my_host/llm"])
def test_addresses_of_every_form_are_taken(load: Load, minimal: str, address: str) -> None:
    assert load(minimal.replace(ADDRESS, f'"{address}"')).config.experiments[0].ep_name == address


@pytest.mark.parametrize(
    ("header", "key", "said"),
    [
        ('x-a: "one\\r\\nx-b: two"', ".x-a", "line break"),
        ('x-a: "\\u4f60"', ".x-a", "Latin-1"),
        ("x-a: [1]", ".x-a", "write text"),
        ("Content-Length: 5", ".Content-Length", "leave it out"),
        ("'a b': c", "", "letters, digits and hyphens"),
    ],
)
def test_a_header_that_http_cannot_carry_is_refused(
    mistakes: Mistakes, minimal: str, header: str, key: str, said: str
) -> None:
    found = mistakes(minimal + f"  inference_spec: {{headers: {{{header}}}}}\n")
    assert list(found) == [f"experiments[0].inference_spec.headers{key}"]
    assert said in next(iter(found.values()))
