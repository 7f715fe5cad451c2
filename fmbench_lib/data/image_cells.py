"""Images in the cells of a data set, in every form that data sets have them, as the data URLs that prompts contain.

A cell holds bytes, hexadecimal or base64 text, a data URL, a path, an address, which is downloaded, an image object
(Pillow), a mapping with one of these, or a list of them. What no model takes as it is (CMYK, TIFF, BMP, …) is converted
to PNG. An unknown form is an error: a prompt is never sent without its picture.
"""

from __future__ import annotations

import base64
import binascii
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fmbench_lib.data.downloads import downloaded
from fmbench_lib.images import Image

_SIGNATURES = {"png": b"\x89PNG\r\n\x1a\n", "jpeg": b"\xff\xd8\xff", "gif": b"GIF8"}
_BYTE_KEYS = ("bytes", "image_bytes", "data", "hex_data", "base64", "b64_json", "url", "image_url", "image")
"""Keys of a mapping that hold the image itself, in one of the other forms."""
_HEX_KEY = "hex_data"
_PATH_KEYS = ("path", "file_name", "filename", "file")
_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16"})
"""The modes of Pillow that PNG has."""
_DATA_URL = re.compile(r"data:[\w.+-]+/[\w.+-]+;base64,(.*)", re.DOTALL)
_LONGEST_SCHEME = 12
_HEX = re.compile(r"(?:0x|\\x)?((?:[0-9a-fA-F]{2})+)")


def image_of_cell(value: Any, folder: Path | None = None) -> str:
    """The image of a cell as a data URL, several of them one a line; "" where the cell has none.

    :param folder: what a relative path is relative to; None where paths cannot be opened.
    :raises ValueError: the cell is no image of a known form, or its file cannot be read.
    """
    if isinstance(value, list | tuple):
        return "\n".join(filter(None, (image_of_cell(part, folder) for part in value)))
    if isinstance(value, Mapping):
        return _of_mapping(value, folder)
    if isinstance(value, str):
        return _of_text(value.strip(), folder)
    if value is None:
        return ""
    if hasattr(value, "save") and hasattr(value, "mode"):
        return _url("png", _png(value))
    if isinstance(value, bytes | bytearray | memoryview):
        return _of_bytes(bytes(value))
    raise ValueError(f"{type(value).__name__} is not an image")


def _of_mapping(cell: Mapping[str, Any], folder: Path | None) -> str:
    if isinstance(cell.get(_HEX_KEY), str) and cell[_HEX_KEY].strip():
        return _of_hex(cell[_HEX_KEY])
    for key in _BYTE_KEYS:
        if cell.get(key):
            return image_of_cell(cell[key], folder)
    for key in _PATH_KEYS:
        if cell.get(key):
            return _of_file(str(cell[key]), folder)
    if any(key in cell for key in (*_BYTE_KEYS, *_PATH_KEYS)):
        return ""
    raise ValueError(f"an object with {', '.join(map(str, cell)) or 'no keys'}; write hex_data, bytes, path or base64")


def _of_text(text: str, folder: Path | None) -> str:
    if not text:
        return ""
    if match := _DATA_URL.fullmatch(text):
        return _of_bytes(_from_base64(match[1]))
    if text.startswith(("http://", "https://")):
        return _of_bytes(downloaded(text))
    if "://" in text[:_LONGEST_SCHEME]:
        raise ValueError("an address that is not http or https; download the images and write their paths")
    if _HEX.fullmatch(text) and (image := _hexadecimal_of_image(text)):
        return image
    if len(text) < 4096 and Path(text).suffix and not text.endswith("="):
        return _of_file(text, folder)
    try:
        return _of_bytes(_from_base64(text))
    except ValueError:
        raise ValueError("text that is neither a path nor an image as data URL, hexadecimal or base64") from None


def _hexadecimal_of_image(text: str) -> str:
    """The image that hexadecimal text holds; "" where it holds none, as it may be base64."""
    try:
        return _of_hex(text)
    except ValueError:
        return ""


def _of_hex(text: str) -> str:
    match = _HEX.fullmatch(re.sub(r"\s+", "", text))
    if match is None:
        raise ValueError("hex_data that is not hexadecimal")
    return _of_bytes(bytes.fromhex(match[1]))


def _from_base64(text: str) -> bytes:
    compact = re.sub(r"\s+", "", text)
    try:
        return base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("not base64") from None


def _of_file(name: str, folder: Path | None) -> str:
    path = Path(name).expanduser()
    if folder is None and not path.is_absolute():
        raise ValueError(f"the path {name}, which is relative to no folder: write the images into the data set")
    try:
        return _of_bytes(((folder or Path()) / path).read_bytes())
    except OSError as error:
        raise ValueError(f"{name} cannot be read: {error.strerror or error}") from None


def _known(image: bytes) -> str:
    """The image as it is where a model takes it; "" where it has to be converted, or is none."""
    kind = next((name for name, signature in _SIGNATURES.items() if image.startswith(signature)), "")
    if image[:4] == b"RIFF" and image[8:12] == b"WEBP":
        kind = "webp"
    return "" if not kind or (kind == "jpeg" and _components(image) == 4) else _url(kind, image)


def _of_bytes(image: bytes) -> str:
    return _known(image) or _url("png", _converted(image))


def _converted(image: bytes) -> bytes:
    from PIL import Image as Pillow
    from PIL import UnidentifiedImageError

    try:
        with Pillow.open(io.BytesIO(image)) as picture:
            return _png(picture)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Pillow.DecompressionBombError):
        raise ValueError(f"{len(image)} bytes that are no image, or a damaged one") from None


def _png(picture: Any) -> bytes:
    """A Pillow image as PNG; a mode that PNG does not have, such as CMYK, becomes RGB."""
    buffer = io.BytesIO()
    (picture if picture.mode in _MODES else picture.convert("RGB")).save(buffer, format="PNG")
    return buffer.getvalue()


def _components(jpeg: bytes) -> int:
    """The number of colour components in a JPEG file's frame header (4 in CMYK); 0 where it has none."""
    position = 2
    while position + 9 < len(jpeg) and jpeg[position] == 0xFF:
        marker, length = jpeg[position + 1], int.from_bytes(jpeg[position + 2 : position + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # start of frame, of any process
            return jpeg[position + 9]
        position += 2 + length
    return 0


def _url(kind: str, image: bytes) -> str:
    return Image(kind, base64.b64encode(image).decode()).data_url
