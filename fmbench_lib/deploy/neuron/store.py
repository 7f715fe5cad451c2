"""Compiled models in S3: found, told apart, and put there.

Beside its folders stands a file that says what a model was compiled from and for. It is written before the first of
them, as incomplete, and again after the last, so that an upload that was broken off is never taken for a model.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fmbench_lib.aws.calls import client, is_gone, saying
from fmbench_lib.deploy.neuron.settings import Compilation
from fmbench_lib.deploy.s3_objects import Resource, exists, parts_of, s3_object, upload, upload_file
from fmbench_lib.errors import DeployError

MARKER = "fmbench-neuron.json"


def found(compilation: Compilation, region: str) -> str:
    """What stands in S3 of a compiled model, in words for a person; empty where there is none that can be used.

    Raises DeployError for one that was compiled for something else, and where S3 cannot be asked.
    """
    marker = _marker(compilation, region)
    if marker is None:
        if not exists(f"{compilation.weights}/", region):
            return ""
        return f"{compilation.weights} has files already, which fmbench did not compile: they are used as they are"
    if not marker.get("complete"):
        return ""
    wanted = asdict(compilation.settings)
    differing = [name for name, value in wanted.items() if marker["settings"].get(name) != value]
    if differing:
        was = ", ".join(f"{name} {marker['settings'].get(name)}, not {wanted[name]}" for name in differing)
        raise DeployError(
            f"the model at {compilation.weights} was compiled for something else ({was}): write another prefix or "
            "model_id_wo_repo, or delete its folder"
        )
    return (
        f"{compilation.weights} is used as it is: compiled by run {marker['run_id']} for {compilation.settings} "
        f"({marker.get('compiler') or 'compiler not known'})"
    )


def place(
    compilation: Compilation,
    region: str,
    run_id: str,
    folders: dict[str, Path],
    facts: dict[str, Any],
    note: Callable[[list[Resource]], None],
) -> int:
    """Put the folders, by their addresses, into S3 for good, and the marker last; the bytes that were sent.

    `note` is given what is to be deleted should this be broken off, before it is sent; nothing once it is complete.
    Raises DeployError.
    """
    bucket, key = parts_of(_marker_address(compilation))
    marker = s3_object(bucket, key, region, run_id)
    files: list[tuple[Resource, Path]] = []
    for address, folder in folders.items():
        where, prefix = parts_of(address)
        files += [
            (s3_object(where, f"{prefix}/{path.relative_to(folder).as_posix()}", region, run_id, in_parts=True), path)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        ]
    note([marker, *(resource for resource, _ in files)])
    about = {"run_id": run_id, "settings": asdict(compilation.settings), **facts}
    upload(marker, _text({**about, "complete": False}))
    for resource, path in files:
        upload_file(resource, path)
    upload(marker, _text({**about, "complete": True}))
    note([])
    return sum(path.stat().st_size for _, path in files)


def _marker_address(compilation: Compilation) -> str:
    """Beside the two folders: one model of each name."""
    return f"{compilation.weights.rpartition('/')[0]}/{MARKER}"


def _marker(compilation: Compilation, region: str) -> dict[str, Any] | None:
    from botocore.exceptions import ClientError

    address = _marker_address(compilation)
    bucket, key = parts_of(address)
    with saying(f"looking for {address}"):
        try:
            body = client("s3", region).get_object(Bucket=bucket, Key=key)["Body"].read()
        except ClientError as error:
            if is_gone(error):
                return None
            raise
    try:
        marker: dict[str, Any] = json.loads(body)
    except ValueError:
        raise DeployError(f"{address} is no file of fmbench's: delete it, or write another prefix") from None
    return marker


def _text(facts: dict[str, Any]) -> bytes:
    return (json.dumps(facts, indent=1) + "\n").encode()
