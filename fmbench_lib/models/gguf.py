"""The metadata at the start of a GGUF file."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Collection
from pathlib import Path
from typing import Any

from fmbench_lib.models.cache import ModelFileError
from fmbench_lib.models.hub import first_line

# GGUF value types by number (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md); 8 is a string, 9 an array.
_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}


_STRING, _ARRAY = 8, 9


def gguf_metadata(path: Path, keys: Collection[str] | None = None) -> dict[str, Any]:
    """The key-value pairs at the start of a GGUF file (`keys`: only these), without reading its weights.

    Raises ModelFileError where it is not a GGUF file (version 2 or 3, little endian).
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if data[:4] != b"GGUF":
                raise ModelFileError(f"{path} is not a GGUF file")
            version, _tensors, count = struct.unpack_from("<IQQ", data, 4)
            if version not in (2, 3):
                raise ModelFileError(f"{path} is GGUF version {version} or big endian; only 2 and 3 can be read")
            return _pairs(data, count, keys)
    except (OSError, ValueError, struct.error, UnicodeDecodeError, KeyError) as error:
        raise ModelFileError(f"cannot read {path} as a GGUF file: {first_line(error)}") from error


def _pairs(data: mmap.mmap, count: int, keys: Collection[str] | None) -> dict[str, Any]:
    pairs: dict[str, Any] = {}
    offset = 24
    for _ in range(count):
        key, offset = _string(data, offset)
        (kind,) = struct.unpack_from("<I", data, offset)
        value, offset = _value(data, offset + 4, kind)
        if keys is None or key in keys:
            pairs[key] = value
    return pairs


def _string(data: mmap.mmap, offset: int) -> tuple[str, int]:
    (length,) = struct.unpack_from("<Q", data, offset)
    start, end = offset + 8, offset + 8 + length
    if end > len(data):
        raise ValueError("it ends inside a string")
    return data[start:end].decode("utf-8"), end


def _value(data: mmap.mmap, offset: int, kind: int) -> tuple[Any, int]:
    if kind == _STRING:
        return _string(data, offset)
    if kind != _ARRAY:
        code = _SCALARS[kind]
        return struct.unpack_from(code, data, offset)[0], offset + struct.calcsize(code)
    element, length = struct.unpack_from("<IQ", data, offset)
    offset += 12
    if element in _SCALARS:
        code = f"<{length}{_SCALARS[element][1]}"
        return list(struct.unpack_from(code, data, offset)), offset + struct.calcsize(code)
    values = []
    for _ in range(length):
        value, offset = _value(data, offset, element)
        values.append(value)
    return values, offset
