"""Images in prompts, as data URLs (`data:image/png;base64,…`) at their position in the text."""

from __future__ import annotations

import base64
import binascii
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_IMAGE = re.compile(r"data:image/(png|jpeg|gif|webp);base64,([A-Za-z0-9+/]+={0,2})")

_MODES_OF_PNG = ("1", "L", "LA", "I", "I;16", "P", "RGB", "RGBA")
"""Pillow's modes that PNG can hold; CMYK, as of scanned pages, is none of them."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image: its format, such as `png`, and its bytes in base64."""

    format: str
    base64: str

    @property
    def data_url(self) -> str:
        """The image as it appears in a prompt."""
        return f"data:image/{self.format};base64,{self.base64}"


def parts_of(prompt: str) -> list[str | Image]:
    """A prompt's texts and images in order; a prompt without images is one text, possibly empty."""
    parts: list[str | Image] = []
    start = 0
    for match in _IMAGE.finditer(prompt):
        if prompt[start : match.start()].strip():
            parts.append(prompt[start : match.start()])
        parts.append(Image(match[1], match[2]))
        start = match.end()
    if not parts or prompt[start:].strip():
        parts.append(prompt[start:])
    return parts


def chat_content(prompt: str) -> str | list[dict[str, Any]]:
    """A prompt as the content of an OpenAI-style message: text, or parts where it has images."""
    parts = parts_of(prompt)
    if all(isinstance(part, str) for part in parts):
        return prompt
    return [
        {"type": "text", "text": part}
        if isinstance(part, str)
        else {"type": "image_url", "image_url": {"url": part.data_url}}
        for part in parts
    ]


def without_images(prompt: str) -> str:
    """A prompt's text only, which is what a tokenizer counts: the token count of an image is known to the model
    alone."""
    return _IMAGE.sub("", prompt)


def data_url(value: Any) -> str:
    """An image of a data set in the form that prompts contain; "" for none.

    Takes bytes, base64 text, a data URL, a mapping with `bytes`, an image object with a `save` method (Pillow), or a
    list of these. Raises ValueError for anything else, for a mapping that only has a `path`, and for a format that is
    not PNG, JPEG, GIF or WebP.
    """
    if value is None or value == "":
        return ""
    if isinstance(value, list | tuple):
        return "\n".join(map(data_url, value))
    if isinstance(value, Mapping):
        if not value.get("bytes") and value.get("path"):
            raise ValueError(f"only the path of an image: {value['path']}")
        return data_url(value.get("bytes"))
    if isinstance(value, str):
        if _IMAGE.fullmatch(value):
            return value
        try:
            value = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("text that is neither base64 nor a data URL") from None
    elif hasattr(value, "save"):
        buffer = io.BytesIO()
        image = value.convert("RGB") if getattr(value, "mode", "RGB") not in _MODES_OF_PNG else value
        image.save(buffer, format="PNG")
        value = buffer.getvalue()
    if not isinstance(value, bytes | bytearray):
        raise ValueError(f"not an image: {type(value).__name__}")
    return Image(_format(bytes(value)), base64.b64encode(value).decode()).data_url


def _format(image: bytes) -> str:
    """The format, from the image's first bytes."""
    for name, signature in (("png", b"\x89PNG\r\n\x1a\n"), ("jpeg", b"\xff\xd8\xff"), ("gif", b"GIF8")):
        if image.startswith(signature):
            return name
    if image[:4] == b"RIFF" and image[8:12] == b"WEBP":
        return "webp"
    raise ValueError("an image that is not PNG, JPEG, GIF or WebP")
