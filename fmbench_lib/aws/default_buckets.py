"""The buckets that a run uses where none is named: those of the account and region, by their names."""

from __future__ import annotations

from typing import Any, Literal

from fmbench_lib.aws.session import client as aws_client
from fmbench_lib.aws.session import default_region
from fmbench_lib.aws.signing import CredentialSource
from fmbench_lib.errors import CredentialsError, InputError


def bucket_name(kind: str, region: str, account: str) -> str:
    """What the bucket that is read from or written to (`kind`: read, write) is called where none is named."""
    return f"sagemaker-fmbench-{kind}-{region}-{account}"


def default_bucket(kind: Literal["read", "write"], region: str | None) -> str:
    """`sagemaker-fmbench-<kind>-<region>-<account>`, seen to be there and the account's own.

    Its name can be worked out, and so taken, by anybody. Raises InputError where it cannot be known or is not there.
    """
    lacking = f"no bucket to {kind} is named, and the default one"
    region = region or default_region()
    if region is None:
        raise InputError(f"{lacking} depends on the AWS region: set AWS_REGION, or write aws.region")
    try:
        CredentialSource()
    except CredentialsError as error:
        raise InputError(f"{lacking} depends on the account: {error}") from None
    return _seen(kind, region, lacking)


def _seen(kind: str, region: str, lacking: str) -> str:
    from botocore.exceptions import BotoCoreError, ClientError

    quickly: dict[str, Any] = {"connect_timeout": 5, "retries": {"mode": "standard", "max_attempts": 2}}
    sts: Any = aws_client("sts", region, **quickly)
    s3: Any = aws_client("s3", region, **quickly)
    try:
        account = str(sts.get_caller_identity()["Account"])
    except (BotoCoreError, ClientError) as error:
        raise InputError(f"{lacking} depends on the account: {' '.join(str(error).split())}") from None
    name = bucket_name(kind, region, account)
    try:
        s3.head_bucket(Bucket=name, ExpectedBucketOwner=account)
    except (BotoCoreError, ClientError) as error:
        raise InputError(
            f"{lacking}, {name}, is not there for this account ({' '.join(str(error).split())}); make it "
            f"(cloudformation/fmbench.yml), or name "
            f"another by {'--write-bucket or aws.bucket' if kind == 'write' else 's3_read_data.read_bucket'}"
        ) from None
    return name
