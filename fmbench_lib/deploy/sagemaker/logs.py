"""The last lines of an endpoint's log in CloudWatch, which its containers write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fmbench_lib.aws.calls import hidden, translated, unless_gone
from fmbench_lib.aws.session import client
from fmbench_lib.errors import DeployError

_STREAMS = 3
_LONGEST_LINE = 200


def last_lines(endpoint_name: str, region: str, hide: Sequence[str] = (), lines: int = 40) -> list[str]:
    """The last lines of the streams written to last, oldest first, without secrets; empty where nothing was logged.

    Raises DeployError where the log cannot be read.
    """
    with translated("its log cannot be read", hide=hide):
        events = _events(endpoint_name, region, lines)
    events.sort(key=lambda event: int(event["timestamp"]))
    messages = (hidden(event["message"], hide)[:_LONGEST_LINE] for event in events)
    return [message for message in messages if message][-lines:]


def tail(endpoint_name: str, region: str, hide: Sequence[str] = (), lines: int = 4) -> str:
    """The end of the log on one line, to follow a reason; where it cannot be read, why."""
    try:
        log = last_lines(endpoint_name, region, hide)
    except DeployError as error:
        return str(error)
    return f"its log ends: {' | '.join(log[-lines:])}" if log else "its log is empty"


def _events(endpoint_name: str, region: str, limit: int) -> list[dict[str, Any]]:
    """The last events of the streams written to last; none where there is no log."""
    logs, group = client("logs", region), f"/aws/sagemaker/Endpoints/{endpoint_name}"
    streams = unless_gone(
        lambda: logs.describe_log_streams(logGroupName=group, orderBy="LastEventTime", descending=True, limit=_STREAMS)[
            "logStreams"
        ]
    )
    events: list[dict[str, Any]] = []
    for stream in streams or []:
        name = stream["logStreamName"]
        page = logs.get_log_events(logGroupName=group, logStreamName=name, limit=limit, startFromHead=False)
        events += page["events"]
    return events
