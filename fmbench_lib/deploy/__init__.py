"""Where models are served: one module per platform, each of which deploys, watches and takes down."""

from __future__ import annotations

from fmbench_lib.deploy.platform import (
    DeployContext,
    Endpoint,
    Platform,
    platform,
    platform_of_existing,
)

__all__ = [
    "DeployContext",
    "Endpoint",
    "Platform",
    "platform",
    "platform_of_existing",
]
