"""Levels that several nodes send: together they are what one machine sends."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from fmbench_lib.emulator import Behaviour, Constant, Emulator, launch
from fmbench_lib.errors import InputError, WorkerError
from fmbench_lib.load.cluster import node_agent
from fmbench_lib.load.sending.engine import Progress
from fmbench_lib.load.sending.script_call import UserScript
from fmbench_lib.load.sending.sent_marks import positions_sent
from tests.load.cluster.conftest import MakeCluster, Send, ThreadNode
from tests.load.conftest import Measure

Workers = Callable[[], list[psutil.Process]]


def test_a_closed_loop_is_sent_once_by_all_nodes_together(
    emulator: Emulator, make_cluster: MakeCluster, send: Send, tmp_path: Path
) -> None:
    sent = send(make_cluster(2), emulator.url, 46, warmup=6, concurrency=6, requests=40)
    assert {row["error"] for row in sent.rows} == {None}
    assert len(set(sent.positions)) == len(sent.rows)
    assert set(sent.positions) <= set(range(46))
    assert len(sent.of("warmup")) == 6
    assert {row["worker"] for row in sent.rows} == {0, 1}
    first, second = sent.run.nodes
    assert (first["workers"], second["workers"]) == ([0], [1])
    assert (first["requests"] or 0) + (second["requests"] or 0) == len(sent.of("measured"))
    # Each node has half of the slots and so half of the order; the first to have sent it ends the level.
    assert max(first["requests"] or 0, second["requests"] or 0) == 20
    assert (sent.run.stop_reason, sent.run.stop_note) == ("requests", None)
    assert positions_sent(tmp_path / "level" / "sent") == max(sent.positions) + 1


def test_an_open_loop_is_sent_when_its_one_schedule_says(
    emulator: Emulator, make_cluster: MakeCluster, send: Send, measure: Measure
) -> None:
    settings = {"arrival": "poisson", "request_rate": 100.0, "requests": 60, "seed": "same"}
    alone = measure(emulator.url, [f"Question {number}?" for number in range(60)], **settings)
    sent = send(make_cluster(3), emulator.url, 60, **settings)
    assert sent.positions == list(range(60))
    assert [row["worker"] for row in sent.rows] == [number % 3 for number in range(60)]
    due, due_alone = (np.array([row["due"] for row in rows]) for rows in (sent.rows, alone.rows))
    assert due - due[0] == pytest.approx(due_alone - due_alone[0], abs=1e-3)  # the clocks' bound, of one machine
    assert sent.run.scheduled_rate == pytest.approx(alone.run.scheduled_rate, rel=1e-3)
    assert alone.run.nodes == ()


def test_a_cap_is_the_levels_and_not_each_nodes(make_cluster: MakeCluster, send: Send) -> None:
    slow = Behaviour(ttft=Constant(0.2), itl=Constant(0.001), tokens=Constant(2))
    with launch(slow) as server:
        cluster = make_cluster(2, workers_per_node=None)
        sent = send(cluster, server.url, 30, request_rate=200.0, requests=30, max_concurrency=3)
    edges = sorted([(row["sent"], 1) for row in sent.rows] + [(row["end"], -1) for row in sent.rows])
    assert max(np.cumsum([step for _, step in edges])) == 3
    # One worker each, which counts what its node has in flight.
    assert [node["workers"] for node in sent.run.nodes] == [[0], [1]]


def test_time_ends_a_closed_loop_on_all_nodes_at_once(
    emulator: Emulator, make_cluster: MakeCluster, send: Send
) -> None:
    sent = send(make_cluster(2), emulator.url, 12, warmup=4, concurrency=4, duration=0.8, prompt_reuse="allowed")
    assert sent.run.stop_reason == "duration"
    assert sent.run.window_ns is not None
    start, stop = sent.run.window_ns
    assert stop - start >= 800_000_000
    # Only one of them sends the first measured request; the other ends as it is told when that was.
    assert all(node["requests"] for node in sent.run.nodes)


def test_fewer_slots_than_nodes_leave_nodes_out(emulator: Emulator, make_cluster: MakeCluster, send: Send) -> None:
    sent = send(make_cluster(3, workers_per_node=2), emulator.url, 10, concurrency=2, requests=10)
    assert [(node["name"], node["workers"]) for node in sent.run.nodes] == [("node-a", [0]), ("node-b", [1])]


def test_a_lost_node_ends_the_level_and_the_others_records_are_kept(
    emulator: Emulator, make_cluster: MakeCluster, send: Send, tmp_path: Path
) -> None:
    cluster = make_cluster(3)

    def die(progress: Progress) -> None:
        if progress.done > 20 and not cluster.all[1].dead:
            cluster.all[1].kill()

    settings = {"concurrency": 6, "duration": 30.0, "prompt_reuse": "allowed"}
    sent = send(cluster, emulator.url, 12, warmup=6, on_progress=die, **settings)
    assert sent.run.stop_reason == "node_lost"
    assert sent.run.stop_note == "node-b: its process was killed"
    assert [node["lost"] for node in sent.run.nodes] == [None, "its process was killed", None]
    assert sent.run.nodes[1]["requests"] is None
    assert {row["worker"] for row in sent.rows} == {0, 2}
    assert {row["error"] for row in sent.rows} == {None}
    assert positions_sent(tmp_path / "level" / "sent") is None  # nobody knows what the lost node sent


def test_a_killed_worker_loses_its_node(
    emulator: Emulator,
    make_cluster: MakeCluster,
    send: Send,
    workers: Workers,
) -> None:
    killed = []

    def kill_one(progress: Progress) -> None:
        if progress.done > 10 and not killed:
            killed.append(workers()[0])
            os.kill(killed[0].pid, signal.SIGKILL)

    settings = {"concurrency": 4, "duration": 30.0, "prompt_reuse": "allowed"}
    sent = send(make_cluster(2), emulator.url, 8, warmup=4, on_progress=kill_one, **settings)
    lost = [node["lost"] for node in sent.run.nodes if node["lost"]]
    assert len(lost) == 1
    assert "was killed by signal 9" in lost[0]
    assert len({row["worker"] for row in sent.rows}) == 1


def test_no_node_left_is_no_level(emulator: Emulator, make_cluster: MakeCluster, send: Send) -> None:
    cluster = make_cluster(2)

    def die(progress: Progress) -> None:
        for node in cluster.all:
            if progress.done > 10 and not node.dead:
                node.kill()

    with pytest.raises(WorkerError, match=r"node node-a: its process was killed; node node-b: its process was killed"):
        send(cluster, emulator.url, 8, concurrency=4, duration=30.0, prompt_reuse="allowed", on_progress=die)


def test_a_node_that_is_lost_before_the_level_begins_leaves_no_workers(
    emulator: Emulator,
    make_cluster: MakeCluster,
    send: Send,
    workers: Workers,
    tmp_path: Path,
) -> None:
    cluster = make_cluster(2)

    def die(node: ThreadNode, method: str) -> None:
        if method == "prepare":
            node.dead = True

    cluster.all[1].before = die
    with pytest.raises(WorkerError, match="node node-b: its process was killed"):
        send(cluster, emulator.url, 8, concurrency=4, requests=8)
    assert workers() == []
    assert list((tmp_path / "agents").iterdir()) == []


def test_a_node_that_hangs_is_given_up_and_the_others_end_theirs(
    emulator: Emulator, make_cluster: MakeCluster, send: Send, workers: Workers
) -> None:
    cluster = make_cluster(2)

    def hang(progress: Progress) -> None:
        if progress.done > 10:
            cluster.all[1].silent = True

    settings = {"concurrency": 4, "duration": 30.0, "prompt_reuse": "allowed"}
    sent = send(cluster, emulator.url, 8, warmup=4, on_progress=hang, **settings)
    assert [node["lost"] for node in sent.run.nodes] == [None, "it did not answer"]
    assert cluster.all[1].asked[-1] == "given up"
    assert len(workers()) == 1  # of the one that hangs


def test_a_node_that_hears_nothing_from_the_driver_stops_sending(
    emulator: Emulator, make_cluster: MakeCluster, send: Send, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be cut off from the driver and not from the endpoint: nobody else would ever stop it."""
    monkeypatch.setattr(node_agent, "LEASE_S", 0.5)
    cluster = make_cluster(2)

    def cut_off(progress: Progress) -> None:
        if progress.done > 10:
            cluster.all[1].silent = True

    settings = {"concurrency": 4, "duration": 30.0, "prompt_reuse": "allowed"}
    send(cluster, emulator.url, 8, warmup=4, on_progress=cut_off, **settings)
    assert cluster.all[0].agent._level is None
    left = psutil.wait_procs(workers(), timeout=20)[1]
    assert left == []
    cluster.all[1].silent = False
    status = cluster.all[1].ask("status", 0.0).get()
    assert status.failure == "it heard nothing from the driver for 0.5 s, and stopped sending"


def test_nothing_is_left_after_a_level(
    emulator: Emulator,
    make_cluster: MakeCluster,
    send: Send,
    workers: Workers,
    tmp_path: Path,
) -> None:
    send(make_cluster(2), emulator.url, 8, concurrency=2, requests=8)
    assert workers() == []
    assert list((tmp_path / "agents").iterdir()) == []


def test_an_address_of_one_machine_is_refused(emulator: Emulator, make_cluster: MakeCluster, send: Send) -> None:
    cluster = make_cluster(2)
    cluster.all[1].host = "10.0.0.2"
    with pytest.raises(InputError, match=r"127\.0\.0\.1 is another machine on each node"):
        send(cluster, emulator.url, 8, concurrency=2, requests=8)


def test_a_user_script_is_refused(emulator: Emulator, make_cluster: MakeCluster, send: Send) -> None:
    script = UserScript("mine.py", "e", {}, {}, 10.0)
    with pytest.raises(InputError, match="cannot call user scripts"):
        send(make_cluster(1), emulator.url, 8, concurrency=2, requests=8, script=script)
