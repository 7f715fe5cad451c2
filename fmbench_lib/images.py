"""Images in prompts, as data URLs (`data:image/png;base64,…`) at their position in the text."""

from __future__ import annotations

import re
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


def text_and_images(prompt: str) -> tuple[str, list[str]]:
    """A prompt's text, and its images in base64, for protocols that have images beside the text."""
    parts = parts_of(prompt)
    images = [part.base64 for part in parts if isinstance(part, Image)]
    return without_images(prompt).strip() if images else prompt, images


def without_images(prompt: str) -> str:
    """A prompt's text only, which is what a tokenizer counts: the token count of an image is known to the model
    alone."""
    return _IMAGE.sub("", prompt)
