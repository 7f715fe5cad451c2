"""botocore sessions and clients, regions and partitions.

botocore is imported where it is used: a run without AWS neither needs it nor pays for it.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fmbench_lib.errors import InputError

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from botocore.session import Session


def session() -> Session:
    """botocore's session: environment, config files and the profile of `AWS_PROFILE`. Raises InputError without it."""
    try:
        from botocore.session import Session
    except ImportError:
        raise InputError(
            "AWS needs boto3, which is not installed: pip install 'fmbench-lib[sagemaker]' (or [bedrock])"
        ) from None
    made = Session()
    made.register_component("data_loader", _service_descriptions())
    return made


@lru_cache(maxsize=1)
def _service_descriptions() -> Any:
    """botocore's descriptions of the services: megabytes, which every session of ours need not read anew."""
    from botocore.loaders import create_loader

    return create_loader(os.environ.get("AWS_DATA_PATH"))


def client(service: str, region: str | None, endpoint_url: str | None = None, **config: Any) -> BaseClient:
    """A client of an AWS service; `config` are options of botocore's `Config`.

    `AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_<SERVICE>` and the same in the AWS config file hold where `endpoint_url` is
    None. Raises InputError for a region or profile that cannot be used.
    """
    made = session()
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    try:
        options = Config(**config) if config else None
        return made.create_client(service, region_name=region, endpoint_url=endpoint_url, config=options)
    except (BotoCoreError, ValueError) as error:
        raise InputError(f"AWS {service}: {error}") from None


def default_region() -> str | None:
    """The region of the environment (`AWS_REGION`, `AWS_DEFAULT_REGION`) or of the profile; None where none is set."""
    return os.environ.get("AWS_REGION") or session().get_config_variable("region")


def partition_of(region: str) -> str:
    """The partition of a region, as ARNs spell it: `aws`, `aws-cn`, `aws-us-gov`, …"""
    made = session()
    from botocore.exceptions import UnknownRegionError

    try:
        return str(made.get_partition_for_region(region))
    except UnknownRegionError:
        raise InputError(f"{region!r} is no AWS region; write one like us-east-1") from None


def dns_suffix_of(region: str) -> str:
    """What addresses end in where a region is: `amazonaws.com`, `amazonaws.com.cn`, …"""
    known: Any = client("sagemaker", region, ignore_configured_endpoint_urls=True)
    return str(urlsplit(known.meta.endpoint_url).hostname).partition(f".{region}.")[2]
