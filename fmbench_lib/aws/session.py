"""botocore sessions and clients, regions and partitions.

botocore is imported where it is used: a run without AWS does not pay for it.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fmbench_lib.aws.answers import check_answer
from fmbench_lib.errors import InputError

if TYPE_CHECKING:
    from botocore.session import Session

_CACHED_S = 60.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a client waits for a connection and for an answer, in seconds, and how often it tries in all."""

    connect_s: float
    read_s: float
    attempts: int


PATIENT = Patience(connect_s=10, read_s=60, attempts=7)
"""For calls that a deployment depends on: throttled calls and broken connections are retried."""

BRIEF = Patience(connect_s=5, read_s=20, attempts=3)
"""For calls that a run can do without, or that a person waits for."""


def session() -> Session:
    """botocore's session: environment, config files and the profile of `AWS_PROFILE`."""
    from botocore.session import Session

    made = Session()
    made.register_component("data_loader", _service_descriptions())
    return made


@lru_cache(maxsize=1)
def _service_descriptions() -> Any:
    """botocore's descriptions of the services: megabytes, which each session would read again."""
    from botocore.loaders import create_loader

    return create_loader(os.environ.get("AWS_DATA_PATH"))


def client(service: str, region: str | None, *, endpoint_url: str | None = None, patience: Patience = PATIENT) -> Any:
    """A client of an AWS service.

    `AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_<SERVICE>` and the same in the AWS config file apply where `endpoint_url` is
    None. Creating a client takes long, so it is cached, but for a minute at most: credentials in files may have been
    renewed since. Raises InputError for a region or profile that cannot be used.
    """
    environment = tuple(sorted(item for item in os.environ.items() if item[0].startswith("AWS_")))
    return _cached_client(service, region, endpoint_url, patience, environment, int(time.monotonic() / _CACHED_S))


@lru_cache(maxsize=32)
def _cached_client(
    service: str,
    region: str | None,
    endpoint_url: str | None,
    patience: Patience,
    _environment: tuple[tuple[str, str], ...],
    _minute: int,
) -> Any:
    return _new_client(
        service,
        region,
        endpoint_url,
        connect_timeout=patience.connect_s,
        read_timeout=patience.read_s,
        retries={"mode": "standard", "total_max_attempts": patience.attempts},
    )


def _new_client(service: str, region: str | None, endpoint_url: str | None = None, **config: Any) -> Any:
    """An uncached client; `config` are options of botocore's `Config`."""
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    try:
        made = session().create_client(service, region_name=region, endpoint_url=endpoint_url, config=Config(**config))
    except (BotoCoreError, ValueError) as error:
        raise InputError(f"AWS {service}: {error}") from None
    made.meta.events.register("before-parse", check_answer)
    return made


def default_region() -> str | None:
    """The region of the environment (`AWS_REGION`, `AWS_DEFAULT_REGION`) or of the profile; None where none is set.

    Raises InputError for a profile that does not exist.
    """
    from botocore.exceptions import ProfileNotFound

    if os.environ.get("AWS_REGION"):
        return os.environ["AWS_REGION"]
    try:
        region: str | None = session().get_config_variable("region")
    except ProfileNotFound as error:
        raise InputError(f"AWS: {error} (AWS_PROFILE)") from None
    return region


def partition_of(region: str) -> str:
    """The partition of a region, as ARNs spell it: `aws`, `aws-cn`, `aws-us-gov`, …

    Raises InputError for a name that is not a region's.
    """
    from botocore.exceptions import UnknownRegionError

    try:
        return str(session().get_partition_for_region(region))
    except UnknownRegionError:
        raise InputError(f"{region!r} is not an AWS region; write one like us-east-1") from None


def dns_suffix_of(region: str) -> str:
    """The domain of AWS's addresses in a region: `amazonaws.com`, `amazonaws.com.cn`, …"""
    known = _new_client("sagemaker", region, ignore_configured_endpoint_urls=True)
    return str(urlsplit(known.meta.endpoint_url).hostname).partition(f".{region}.")[2]
