"""The images in a request's JSON body, where each protocol puts them: the truth on what arrived, byte for byte."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterator
from typing import Any

_MARK = b"image"
"""Every protocol's form of an image has this word; bodies without it are not looked through."""
_DATA_URL = "data:image/"


def images_in(body: bytes) -> tuple[str, ...]:
    """The SHA-256 of each image in a body, in order, in hexadecimal.

    An image is one only where a model would see it: `image_url` (OpenAI), `image.source.bytes` (Converse),
    `source.data` of type `base64` (Anthropic), `images` (Ollama). A data URL in a text is text.
    """
    if _MARK not in body:
        return ()
    try:
        return tuple(hashlib.sha256(image).hexdigest() for image in _found(json.loads(body)))
    except ValueError:
        return ()


def _found(value: Any) -> Iterator[bytes]:
    if isinstance(value, list):
        for part in value:
            yield from _found(part)
    elif isinstance(value, dict):
        for key, part in value.items():
            encoded = _encoded(key, part)
            if encoded is None:
                yield from _found(part)
            for text in encoded or ():
                yield base64.b64decode(text, validate=True)


def _encoded(key: str, part: Any) -> list[str] | None:
    """The images in base64 that a key holds; None where it is no key of images."""
    if key == "image_url":
        url = part.get("url") if isinstance(part, dict) else part
        return [url.partition(",")[2]] if isinstance(url, str) and url.startswith(_DATA_URL) else []
    if key == "images" and isinstance(part, list):
        return [text for text in part if isinstance(text, str) and _is_base64(text)]
    if key == "source" and isinstance(part, dict):
        text = part.get("bytes") or (part.get("data") if part.get("type") == "base64" else None)
        return [text] if isinstance(text, str) else None
    return None


def _is_base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return False
