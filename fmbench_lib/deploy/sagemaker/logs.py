"""What an endpoint's containers wrote: CloudWatch's log of it, its last lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fmbench_lib.aws.calls import client, hidden, saying
from fmbench_lib.errors import DeployError

_STREAMS = 3
_LONGEST_LINE = 200


def last_lines(endpoint_name: str, region: str, hide: Sequence[str] = (), lines: int = 40) -> list[str]:
    """The last lines of the streams written to last, oldest first, without secrets; empty where nothing was logged.

    Raises DeployError where the log cannot be read.
    """
    from botocore.exceptions import ClientError

    logs, group = client("logs", region), f"/aws/sagemaker/Endpoints/{endpoint_name}"
    events: list[dict[str, Any]] = []
    with saying("its log cannot be read", hide):
        try:
            streams = logs.describe_log_streams(
                logGroupName=group, orderBy="LastEventTime", descending=True, limit=_STREAMS
            )["logStreams"]
            for stream in streams:
                name = stream["logStreamName"]
                events += logs.get_log_events(logGroupName=group, logStreamName=name, limit=lines, startFromHead=False)[
                    "events"
                ]
        except ClientError as error:
            if error.response["Error"].get("Code") != "ResourceNotFoundException":
                raise
    events.sort(key=lambda event: int(event["timestamp"]))
    said = (hidden(event["message"], hide)[:_LONGEST_LINE] for event in events)
    return [line for line in said if line][-lines:]


def tail(endpoint_name: str, region: str, hide: Sequence[str] = (), lines: int = 4) -> str:
    """The end of the log on one line, to follow a reason; why it cannot be had where that is so."""
    try:
        found = last_lines(endpoint_name, region, hide)
    except DeployError as error:
        return str(error)
    return f"its log ends: {' | '.join(found[-lines:])}" if found else "its log is empty"
