"""When a level may end early, on observations made by hand."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import pytest

from fmbench_lib.config.precision import Precision, parse_precision
from fmbench_lib.load.sending.early_stop import Watch, half_width
from tests.load.level_builder import make_level


@dataclass
class Seen:
    done: int = 0
    errors: int = 0
    in_flight: int = 0


def watch(**level: object) -> Watch:
    return Watch(make_level(("http://h/",), (), (0,), **level))


class TestGrammar:
    @pytest.mark.parametrize(
        ("text", "meant"),
        [
            ("ci_p95 < 5%", Precision("latency", 0.95, 0.05)),
            ("ci_latency_p50<2.5 %", Precision("latency", 0.5, 0.025)),
            (" ci_TTFT_p99 < 10% ", Precision("TTFT", 0.99, 0.1)),
        ],
    )
    def test_what_is_understood(self, text: str, meant: Precision) -> None:
        assert parse_precision(text) == meant

    @pytest.mark.parametrize("text", ["", "p95 < 5%", "ci_p95 > 5%", "ci_p95 < 0%", "ci_p75 < 5%", "ci_ITL_p95 < 5%"])
    def test_what_is_not(self, text: str) -> None:
        with pytest.raises(ValueError, match="write `ci_p95 < 5%`"):
            parse_precision(text)


class TestPrecision:
    def test_half_of_the_interval_beside_the_estimate(self) -> None:
        values = random.Random(3).sample([float(value) for value in range(1, 1001)], 1000)
        # Independent draws have an interval from 469 to 532; that here also covers what may be unseen of a likeness.
        width = half_width(values, [1.0] * 1000, Precision("latency", 0.5, 0.1))
        assert width is not None
        assert 1 < width / ((532 - 469) / 2 / 500.5) < 1.5

    def test_values_that_resemble_their_neighbours_tell_less(self) -> None:
        values = [1 + math.sin(place / 30) for place in range(1000)]
        assert half_width(values, [1.0] * 1000, Precision("latency", 0.5, 0.1)) is None
        assert half_width(random.Random(3).sample(values, 1000), [1.0] * 1000, Precision("latency", 0.5, 0.1))

    def test_too_few_values_have_none(self) -> None:
        assert half_width([1.0] * 230, [1.0] * 230, Precision("latency", 0.95, 0.05)) is None
        assert half_width([1.0] * 250, [1.0] * 250, Precision("latency", 0.95, 0.05)) == 0

    def test_once_is_not_enough(self) -> None:
        watching = watch(concurrency=1, until=parse_precision("ci_p50 < 5%"))
        watching.learn([1.0] * 60)
        assert [watching.look(place / 2, Seen()) is None for place in range(3)] == [True, True, False]

    def test_the_level_ends_when_it_is_narrow_enough(self) -> None:
        generator = random.Random(1)
        watching = watch(concurrency=1, until=parse_precision("ci_p50 < 5%"))
        looks = 0
        while watching.look(looks / 2, Seen()) is None:
            watching.learn(generator.gauss(1.0, 0.2) for _ in range(10))
            looks += 1
        assert watching.stop is not None
        assert watching.stop.reason == "precision"
        # Half the interval of a normal sample's median: 1.96 · 1.2533 · 0.2 / sqrt(n).
        assert 20 < 10 * looks < 3 * (1.96 * 1.2533 * 0.2 / 0.05) ** 2


class TestErrorRate:
    def test_all_of_the_latest_must_have_failed(self) -> None:
        watching = watch(concurrency=4, stop_on_error_rate=1.0)
        assert watching.look(0.5, Seen(done=100, errors=0)) is None
        assert watching.look(1.0, Seen(done=110, errors=10)) is None
        assert watching.look(1.5, Seen(done=119, errors=19)) is None  # 19 are too few
        stop = watching.look(2.0, Seen(done=121, errors=21))
        assert stop is not None
        assert (stop.reason, stop.note) == ("error_rate", "21 of the last 21 requests failed, 100% end the level")

    def test_a_wide_level_needs_more_of_them(self) -> None:
        watching = watch(concurrency=50, stop_on_error_rate=0.5)
        assert watching.look(0.5, Seen(done=99, errors=99)) is None
        assert watching.look(1.0, Seen(done=100, errors=99)) is not None

    def test_not_when_it_is_not_asked(self) -> None:
        assert watch(concurrency=1).look(1.0, Seen(done=1000, errors=1000)) is None

    def test_old_failures_are_forgotten(self) -> None:
        watching = watch(concurrency=1, stop_on_error_rate=0.5)
        assert watching.look(0.5, Seen(done=19, errors=19)) is None
        for step in range(1, 20):
            assert watching.look(0.5 + step, Seen(done=19 + 30 * step, errors=19)) is None


class TestSaturation:
    def fired(self, rate: float, in_flight: list[int]) -> float | None:
        watching = watch(request_rate=rate, stop_on_saturation=True)
        for place, count in enumerate(in_flight):
            if watching.look(place / 2, Seen(in_flight=count)) is not None:
                return place / 2
        return None

    def test_a_queue_that_grows_steadily(self) -> None:
        at = self.fired(20, [10 + 3 * place for place in range(60)])  # 6 of 20 a second are not served
        assert at is not None
        assert 9 <= at <= 12

    def test_a_stall_of_two_seconds_is_none(self) -> None:
        stall = (
            [10] * 20 + [10 + 10 * place for place in range(5)] + [50 - 4 * place for place in range(11)] + [10] * 30
        )
        assert self.fired(20, stall) is None

    @pytest.mark.parametrize("rate", [1.0, 20.0, 500.0])
    def test_the_noise_of_a_poisson_process_is_none(self, rate: float) -> None:
        generator = random.Random(int(rate))
        for _ in range(20):
            counts = [max(0, round(generator.gauss(rate, math.sqrt(rate)))) for _ in range(240)]
            assert self.fired(rate, counts) is None

    def test_a_trace_saturates_at_its_own_rate(self) -> None:
        watching = watch(arrival="trace", trace=tuple(n / 50 for n in range(3000)), stop_on_saturation=True)
        stops = [watching.look(place / 2, Seen(in_flight=20 * place)) for place in range(60)]
        assert any(stop is not None and stop.reason == "saturation" for stop in stops)

    def test_not_in_a_closed_loop_or_unasked(self) -> None:
        for level in ({"concurrency": 4, "stop_on_saturation": True}, {"request_rate": 20.0}):
            watching = watch(**level)
            assert all(watching.look(place / 2, Seen(in_flight=9 * place)) is None for place in range(60))
