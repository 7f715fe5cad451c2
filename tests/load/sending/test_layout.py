"""What a level sends: the requests' bytes, their order, and when an open loop stops."""

from __future__ import annotations

import io
from array import array
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.config.precision import parse_precision
from fmbench_lib.errors import InputError
from fmbench_lib.load.sending.layout import (
    Order,
    RequestWriter,
    address,
    addresses,
    prompt_sequence,
    write_order,
    write_requests,
)
from fmbench_lib.load.sending.level import Level
from fmbench_lib.load.sending.prebuilt import Prompts
from fmbench_lib.load.sending.schedule_reader import SEQUENCE_ENTRY
from fmbench_lib.predictors.base import HttpRequest
from tests.load.level_builder import make_level

URL = "http://host:8000/v1/chat/completions"


def laid_out(folder: Path, *requests: HttpRequest) -> list[tuple[bytes, bytes]]:
    """Line and rest of each request, as a worker finds them."""
    file = io.BytesIO()
    write_requests(file, folder / "x.idx", requests)
    index = array("Q", (folder / "x.idx").read_bytes())
    data = file.getvalue()
    return [(data[a:b], data[b:c]) for a, b, c in zip(index[0::3], index[1::3], index[2::3], strict=True)]


def level(**settings: Any) -> Level:
    return make_level(**{"urls": (URL,), "warmup": (0, 1), "measured": (2, 3, 4, 5), **settings})


def entries(order: Order) -> list[tuple[int, int, float]]:
    found = [entry for path in order.files for entry in SEQUENCE_ENTRY.iter_unpack(path.read_bytes())]
    return sorted((position, prompt, due) for position, prompt, due in found)


class TestRequests:
    def test_layout(self, tmp_path: Path) -> None:
        one = HttpRequest("POST", URL + "?v=1", (("content-type", "application/json"),), b"{}")
        other = HttpRequest("GET", "http://host", (("Accept-Encoding", "gzip"),), b"")
        assert laid_out(tmp_path, one, other) == [
            (
                b"POST /v1/chat/completions?v=1 HTTP/1.1\r\n",
                b"content-type: application/json\r\naccept-encoding: identity\r\ncontent-length: 2\r\n\r\n{}",
            ),
            (b"GET / HTTP/1.1\r\n", b"Accept-Encoding: gzip\r\ncontent-length: 0\r\n\r\n"),
        ]

    @pytest.mark.parametrize(
        ("request_", "message"),
        [
            (HttpRequest("POST", URL, (("x-key", "a\r\nhost: evil"),), b""), "'x-key' holds a line break"),
            (HttpRequest("POST", URL, (("x-key", "日本"),), b""), "Latin-1"),
            (HttpRequest("POST", "http://host/a b", (), b""), "not an address"),
            (HttpRequest("POST", "http://host/ü", (), b""), "not an address"),
        ],
    )
    def test_what_cannot_be_sent_is_refused(self, request_: HttpRequest, message: str, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=message):
            laid_out(tmp_path, request_)

    def test_a_level_without_prompts(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="without prompts"):
            laid_out(tmp_path)


class TestAddresses:
    @pytest.mark.parametrize(
        ("url", "host", "port", "tls", "authority"),
        [
            ("http://h/x", "h", 80, False, "h"),
            ("https://h/x", "h", 443, True, "h"),
            ("http://h:8000/x", "h", 8000, False, "h:8000"),
            ("http://[::1]/x", "::1", 80, False, "[::1]"),
            ("http://[::1]:8000/x", "::1", 8000, False, "[::1]:8000"),
        ],
    )
    def test_parts(self, url: str, host: str, port: int, tls: bool, authority: str) -> None:
        assert address(url) == {"host": host, "port": port, "tls": tls, "authority": authority}

    @pytest.mark.parametrize("url", ["h:8000/x", "ftp://h/", "http://", "", "http://h:x/", "http://h:99999/"])
    def test_what_is_no_address(self, url: str) -> None:
        with pytest.raises(InputError, match="not an address"):
            address(url)

    def test_a_password_in_an_address_is_refused_without_being_told(self) -> None:
        with pytest.raises(InputError, match="api_key_env") as caught:
            address("http://me:secret@h/x")
        assert "secret" not in str(caught.value)

    def test_copies_answer_at_one_path(self) -> None:
        assert len(addresses(["http://a/v1", "http://b:1/v1"])) == 2
        with pytest.raises(InputError, match="same path, not at /v1, /v2"):
            addresses(["http://a/v2", "http://b/v1"])


class TestOrder:
    def test_warmup_comes_first_then_the_measured_as_they_were_dealt(self) -> None:
        assert list(prompt_sequence(level(measured=(5, 3, 4)))) == [0, 1, 5, 3, 4]

    def test_rounds_hold_each_prompt_once_and_differ(self) -> None:
        measured = tuple(range(2, 32))
        sequence = list(islice(prompt_sequence(level(measured=measured, prompt_reuse="allowed")), 2, 2 + 3 * 30))
        rounds = [sequence[start : start + 30] for start in (0, 30, 60)]
        assert all(sorted(one) == list(measured) for one in rounds)
        assert rounds[0] == list(measured)
        assert len({tuple(one) for one in rounds}) == 3

    @pytest.mark.parametrize(
        ("settings", "count", "reason"),
        [
            ({"requests": 3}, 3, "requests"),
            ({"requests": 4}, 4, "requests"),
            ({"requests": 9}, 4, "prompts"),
            ({"duration": 60.0}, 4, "prompts"),
            ({"requests": 9, "prompt_reuse": "allowed"}, 9, "requests"),
        ],
    )
    def test_a_closed_loop_draws_from_one_file(
        self, settings: dict[str, Any], count: int, reason: str, tmp_path: Path
    ) -> None:
        order = write_order(level(concurrency=2, **settings), tmp_path, 2)
        assert len(order.files) == 1
        assert [position for position, _, _ in entries(order)] == list(range(2, 2 + count))
        assert order.reason == reason

    def test_time_alone_gives_more_than_can_be_sent_in_it(self, tmp_path: Path) -> None:
        order = write_order(level(concurrency=2, duration=10.0, prompt_reuse="allowed"), tmp_path, 1)
        assert len(entries(order)) > 2 * 10 / 0.001  # also of an endpoint that answers within a millisecond
        assert order.reason != "requests"


class TestSchedule:
    """Rate 10/s, constant: two warm-up requests at 0 and 0.1 s, the first measured one at 0.2 s."""

    def schedule(self, folder: Path, workers: int = 2, **settings: Any) -> Order:
        return write_order(level(request_rate=10.0, prompt_reuse="allowed", **settings), folder, workers)

    def test_by_requests_n_arrivals_fill_n_gaps(self, tmp_path: Path) -> None:
        order = self.schedule(tmp_path, requests=5)
        assert [due for _, _, due in entries(order)] == pytest.approx([n / 10 for n in range(7)])
        assert (order.reason, order.horizon) == ("requests", 0.7)

    def test_by_duration_the_window_is_as_long_as_was_asked(self, tmp_path: Path) -> None:
        order = self.schedule(tmp_path, duration=1.05)  # the 10 requests that are nearest to 10.5 fill it
        assert [due for _, _, due in entries(order)] == pytest.approx([0, 0.1, *(0.2 + n * 0.105 for n in range(10))])
        assert order.reason == "duration"
        assert order.horizon == pytest.approx(1.25)

    def test_whichever_comes_first(self, tmp_path: Path) -> None:
        assert self.schedule(tmp_path, requests=5, duration=60.0).reason == "requests"
        assert self.schedule(tmp_path, requests=500, duration=1.0).reason == "duration"

    def test_not_before_the_least_number(self, tmp_path: Path) -> None:
        order = self.schedule(tmp_path, duration=0.25, min_requests=6)
        assert len(entries(order)) == 2 + 6
        assert (order.reason, order.horizon) == ("duration", 0.8)

    def test_prompts_may_run_out(self, tmp_path: Path) -> None:
        order = write_order(level(request_rate=10.0, duration=60.0), tmp_path, 2)
        assert (len(entries(order)), order.reason, order.horizon) == (6, "prompts", pytest.approx(0.6))

    def test_prompts_that_are_just_enough_have_not_run_out(self, tmp_path: Path) -> None:
        order = write_order(level(request_rate=10.0, duration=0.35), tmp_path, 2)
        assert (len(entries(order)), order.reason) == (6, "duration")
        assert order.horizon == pytest.approx(0.55)

    def test_workers_take_turns(self, tmp_path: Path) -> None:
        order = self.schedule(tmp_path, workers=3, requests=7)
        for number, path in enumerate(order.files):
            positions = [position for position, _, _ in SEQUENCE_ENTRY.iter_unpack(path.read_bytes())]
            assert positions == list(range(number, 9, 3))


@pytest.mark.parametrize("arrival", ["constant", "poisson", "gamma"])
class TestRate:
    """From the first measured request to the horizon, the mean rate is that of the level's name."""

    def rate(self, folder: Path, arrival: str, rate: float, seed: str, **settings: Any) -> float:
        made = level(seed=seed, request_rate=rate, arrival=arrival, burstiness=0.25, prompt_reuse="allowed", **settings)
        order = write_order(made, folder, 2)
        assert order.horizon is not None
        measured = [due for position, _, due in entries(order) if position >= 2]
        assert measured == sorted(measured)
        assert measured[-1] <= order.horizon
        return len(measured) / (order.horizon - measured[0])

    @pytest.mark.parametrize("seed", ["1", "2", "3"])
    @pytest.mark.parametrize(
        "settings",
        [
            {"requests": 120},
            {"requests": 120, "duration": 600.0},
            {"duration": 60.0},
            {"duration": 2.3},
            {"requests": 500, "duration": 60.0},
            {"requests": 500, "duration": 0.5, "min_requests": 9},
        ],
    )
    def test_it_is_exact_to_a_request(self, arrival: str, settings: dict[str, Any], seed: str, tmp_path: Path) -> None:
        for rate in (2.0, 3.7, 36.2):
            count = settings.get("duration", 1e9) * rate
            assert self.rate(tmp_path, arrival, rate, seed, **settings) == pytest.approx(rate, rel=0.501 / count + 1e-9)

    def test_the_warm_up_comes_before_and_changes_nothing(self, arrival: str, tmp_path: Path) -> None:
        one, more = (
            [due for position, _, due in entries(write_order(made, tmp_path, 1)) if position >= len(made.warmup)]
            for made in (
                level(request_rate=5.0, arrival=arrival, prompt_reuse="allowed", requests=50, warmup=warmup)
                for warmup in ((0, 1), tuple(range(2, 9)))
            )
        )
        assert one[0] == pytest.approx(2 / 5)
        assert [due - one[0] for due in one] == pytest.approx([due - more[0] for due in more])

    def test_where_only_the_level_shows_its_length(self, arrival: str, tmp_path: Path) -> None:
        until = parse_precision("ci_p95 < 5%")
        assert self.rate(tmp_path, arrival, 5.0, "1", duration=120.0, until=until) == pytest.approx(5.0)


def test_requests_are_encoded_as_they_are_about_to_be_sent(tmp_path: Path) -> None:
    encoded: list[int] = []

    def requests() -> Iterator[HttpRequest]:
        for number in range(1000):
            encoded.append(number)
            yield HttpRequest("POST", "http://h/v1", (), b"%d" % number)

    with (tmp_path / "requests").open("w+b") as file:
        writer = RequestWriter(file, tmp_path / "index", requests(), 1000)
        writer.write(10)
        assert (len(encoded), writer.written) == (10, 10)
        prompts = Prompts(file.fileno(), tmp_path / "index")
        writer.write(5)
        assert writer.written == 10
        writer.write(700)
        writer.write(5000)
        assert (len(encoded), writer.written) == (1000, 1000)
        for number in (0, 9, 10, 699, 700, 999):
            line, rest = prompts.wire(number)
            assert line == b"POST /v1 HTTP/1.1\r\n"
            assert rest.endswith(b"\r\n\r\n%d" % number)


def test_a_request_that_is_never_prepared_is_not_waited_for_forever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fmbench_lib.load.sending.prebuilt._PATIENCE_S", 0.0)
    with (tmp_path / "requests").open("w+b") as file:
        writer = RequestWriter(file, tmp_path / "index", iter([HttpRequest("GET", "http://h/", (), b"")]), 2)
        writer.write(2)
        prompts = Prompts(file.fileno(), tmp_path / "index")
        with pytest.raises(TimeoutError, match="request 1 was not prepared"):
            prompts.wire(1)
