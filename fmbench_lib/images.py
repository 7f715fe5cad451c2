"""Images in prompts: a prompt holds one as a data URL, `data:image/png;base64,…`, where it belongs in the text."""

from __future__ import annotations

import base64
import binascii
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_IMAGE = re.compile(r"data:image/(png|jpeg|gif|webp);base64,([A-Za-z0-9+/]+={0,2})")


@dataclass(frozen=True, slots=True)
class Image:
    """An image: its format, such as `png`, and its bytes in base64."""

    format: str
    base64: str

    @property
    def data_url(self) -> str:
        """As it stands in a prompt."""
        return f"data:image/{self.format};base64,{self.base64}"


def parts_of(prompt: str) -> list[str | Image]:
    """A prompt's texts and images in their order; a prompt without images is one text, be it empty."""
    parts: list[str | Image] = []
    start = 0
    for found in _IMAGE.finditer(prompt):
        if prompt[start : found.start()].strip():
            parts.append(prompt[start : found.start()])
        parts.append(Image(found[1], found[2]))
        start = found.end()
    if not parts or prompt[start:].strip():
        parts.append(prompt[start:])
    return parts


def chat_content(prompt: str) -> str | list[dict[str, Any]]:
    """A prompt as the content of an OpenAI-style message: text, or parts where there are images."""
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
    """A prompt's text alone, which is what a tokenizer counts: what an image comes to is known to the model only."""
    return _IMAGE.sub("", prompt)


def data_url(cell: Any) -> str:
    """An image as a data set has it, in the form that prompts hold; "" for none.

    Takes bytes, base64 text, a data URL, a mapping with `bytes`, a picture of the imaging library that data sets use,
    or a list of these. Raises ValueError for anything else, and for a format that is not PNG, JPEG, GIF or WebP.
    """
    if cell is None or cell == "":
        return ""
    if isinstance(cell, list | tuple):
        return "\n".join(map(data_url, cell))
    if isinstance(cell, Mapping):
        return data_url(cell.get("bytes"))
    if isinstance(cell, str):
        if _IMAGE.fullmatch(cell):
            return cell
        try:
            cell = base64.b64decode(cell, validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("it is text, but neither base64 nor a data URL") from None
    elif hasattr(cell, "save"):
        written = io.BytesIO()
        cell.save(written, format="PNG")
        cell = written.getvalue()
    if not isinstance(cell, bytes | bytearray):
        raise ValueError(f"it is of a kind that holds no image: {type(cell).__name__}")
    return Image(_format(bytes(cell)), base64.b64encode(cell).decode()).data_url


def _format(image: bytes) -> str:
    """The format that an image's first bytes tell."""
    for name, begins in (("png", b"\x89PNG\r\n\x1a\n"), ("jpeg", b"\xff\xd8\xff"), ("gif", b"GIF8")):
        if image.startswith(begins):
            return name
    if image[:4] == b"RIFF" and image[8:12] == b"WEBP":
        return "webp"
    raise ValueError("it is neither PNG, JPEG, GIF nor WebP")
