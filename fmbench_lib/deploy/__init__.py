"""Where models are served: a folder for each platform, which deploys, watches and deletes; and what they share."""

from __future__ import annotations

from fmbench_lib.deploy.platform import (
    CloudWatchName,
    Copy,
    DeployContext,
    Endpoint,
    Platform,
    platform,
    platform_of_existing,
)

__all__ = [
    "CloudWatchName",
    "Copy",
    "DeployContext",
    "Endpoint",
    "Platform",
    "platform",
    "platform_of_existing",
]
