"""Compiled models in S3: looking one up, checking that it fits, uploading one.

A marker file beside a model's folders records what it was compiled from and for. It is written before the upload as
incomplete, and again after it, so an interrupted upload is never mistaken for a model.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypedDict

from fmbench_lib.deploy.neuron.settings import Compilation
from fmbench_lib.deploy.s3_objects import S3Object, exists, parts_of, read_object, s3_object, upload, upload_file
from fmbench_lib.errors import DeployError

MARKER = "fmbench-neuron.json"


class CompilerFacts(TypedDict):
    """What the compiler program reports in `compiled.json`: the compiler's version, and the seconds it took."""

    compiler: str
    seconds: float


class Marker(CompilerFacts):
    """The content of the marker file; `settings` are those of `Settings`."""

    run_id: str
    settings: dict[str, Any]
    complete: bool


def describe_stored(compilation: Compilation, region: str) -> str:
    """A sentence about the compiled model in S3; empty where there is none that can be used.

    Raises DeployError for one that was compiled for something else, and where S3 cannot be reached.
    """
    marker = _marker(compilation, region)
    if marker is None:
        if not exists(f"{compilation.weights}/", region):
            return ""
        return f"{compilation.weights} already has files that fmbench did not compile: they are used as they are"
    if not marker.get("complete"):
        return ""
    expected = asdict(compilation.settings)
    differing = [name for name, value in expected.items() if marker["settings"].get(name) != value]
    if differing:
        differences = ", ".join(f"{name} {marker['settings'].get(name)}, not {expected[name]}" for name in differing)
        raise DeployError(
            f"the model at {compilation.weights} was compiled for something else ({differences}): write another prefix "
            "or model_id_wo_repo, or delete its folder"
        )
    return (
        f"{compilation.weights} is used as it is: compiled by run {marker['run_id']} for {compilation.settings} "
        f"({marker.get('compiler') or 'unknown compiler'})"
    )


def upload_compiled(
    compilation: Compilation,
    region: str,
    run_id: str,
    folders: dict[str, Path],
    facts: CompilerFacts,
    note: Callable[[Sequence[S3Object]], None],
) -> int:
    """Upload the folders, each to its address, and the marker last; returns the number of bytes.

    `note` is called with everything to delete if the upload is interrupted, before it starts; and with nothing once it
    is complete. Raises DeployError.
    """
    bucket, key = parts_of(_marker_address(compilation))
    marker = s3_object(bucket, key, region, run_id)
    files: list[tuple[S3Object, Path]] = []
    for address, folder in folders.items():
        folder_bucket, prefix = parts_of(address)
        files += [
            (
                s3_object(
                    folder_bucket, f"{prefix}/{path.relative_to(folder).as_posix()}", region, run_id, in_parts=True
                ),
                path,
            )
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        ]
    note([marker, *(resource for resource, _ in files)])
    incomplete: Marker = {"run_id": run_id, "settings": asdict(compilation.settings), **facts, "complete": False}
    upload(marker, _text(incomplete))
    for resource, path in files:
        upload_file(resource, path)
    upload(marker, _text({**incomplete, "complete": True}))
    note([])
    return sum(path.stat().st_size for _, path in files)


def _marker_address(compilation: Compilation) -> str:
    """One marker beside the two folders."""
    return f"{compilation.weights.rpartition('/')[0]}/{MARKER}"


def _marker(compilation: Compilation, region: str) -> Marker | None:
    address = _marker_address(compilation)
    body = read_object(address, region)
    if body is None:
        return None
    try:
        marker: Marker = json.loads(body)
    except ValueError:
        raise DeployError(f"{address} was not written by fmbench: delete it, or write another prefix") from None
    return marker


def _text(marker: Marker) -> bytes:
    return (json.dumps(marker, indent=1) + "\n").encode()
