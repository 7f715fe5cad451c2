"""The files in S3 that a SageMaker endpoint is created from: a packed serving.properties, model weights."""

from __future__ import annotations

import io
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from fmbench_lib.aws.calls import hidden
from fmbench_lib.deploy.s3_objects import S3Object, parts_of, s3_object, upload_file
from fmbench_lib.errors import DeployError


def packed(properties: str) -> bytes:
    """A model.tar.gz that holds this serving.properties; the same bytes each time."""
    content = properties.encode()
    entry = tarfile.TarInfo("serving.properties")
    entry.size = len(content)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def place_model(
    model_id: str,
    address: str,
    region: str,
    run_id: str,
    token: str | None,
    record: Callable[[Sequence[S3Object]], None],
) -> None:
    """Fetch a model from Hugging Face and upload its files to an address in S3, recorded before they are uploaded.

    Raises DeployError, one line, where the hub cannot be reached or refuses the model.
    """
    bucket, prefix = parts_of(address)
    with tempfile.TemporaryDirectory(prefix="fmbench-model-") as folder:
        _snapshot(model_id, Path(folder), address, token)
        files = sorted(
            path
            for path in Path(folder).rglob("*")
            if path.is_file() and ".cache" not in path.relative_to(folder).parts
        )
        keys = ["/".join((prefix.strip("/"), *path.relative_to(folder).parts)) for path in files]
        objects = [s3_object(bucket, key, region, run_id, in_parts=True) for key in keys]
        record(objects)
        for resource, path in zip(objects, files, strict=True):
            upload_file(resource, path)


def _snapshot(model_id: str, folder: Path, address: str, token: str | None) -> None:
    from huggingface_hub import snapshot_download

    try:
        snapshot_download(model_id, local_dir=folder, token=token or False)
    except Exception as error:  # noqa: BLE001 - the hub's client raises its own, HTTP's, the system's and ValueError
        message = hidden(str(error) or type(error).__name__, [token or ""])
        raise DeployError(
            f"{model_id} cannot be fetched from Hugging Face: {message}; upload its files to {address} yourself, "
            "or write download_from_hf_place_in_s3: no"
        ) from None
