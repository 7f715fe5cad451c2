"""Images in cells: every form that data sets have them in, and what is no image."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow

from fmbench_lib.data.image_cells import image_of_cell
from fmbench_lib.images import Image, parts_of

PNG = b"\x89PNG\r\n\x1a\n and so on"
URL = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"


def encoded(mode: str, form: str) -> bytes:
    buffer = io.BytesIO()
    Pillow.new(mode, (3, 2)).save(buffer, format=form)
    return buffer.getvalue()


def opened(url: str) -> Any:
    (part,) = parts_of(url)
    assert isinstance(part, Image)
    return Pillow.open(io.BytesIO(base64.b64decode(part.base64)))


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (PNG, URL),
        (bytearray(PNG), URL),
        (base64.b64encode(PNG).decode(), URL),
        (base64.encodebytes(PNG).decode(), URL),
        (PNG.hex(), URL),
        (f"0x{PNG.hex().upper()}", URL),
        (URL, URL),
        (URL.replace("image/png", "application/octet-stream"), URL),
        ({"bytes": PNG, "path": "1.png"}, URL),
        ({"hex_data": PNG.hex(), "format": "png"}, URL),
        ({"format": "png", "data": base64.b64encode(PNG).decode()}, URL),
        ({"type": "image_url", "image_url": {"url": URL}}, URL),
        ([PNG, None, URL], f"{URL}\n{URL}"),
        (b"\xff\xd8\xff\xe0", "data:image/jpeg;base64,/9j/4A=="),
        (b"GIF89a", "data:image/gif;base64,R0lGODlh"),
        (b"RIFF\x00\x00\x00\x00WEBP", "data:image/webp;base64,UklGRgAAAABXRUJQ"),
        (None, ""),
        (" ", ""),
        ([], ""),
        ({"bytes": None, "path": None}, ""),
    ],
)
def test_every_form_of_an_image_cell(cell: Any, expected: str) -> None:
    assert image_of_cell(cell) == expected


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "1", "P", "CMYK", "YCbCr", "F"])
def test_an_image_object_of_any_mode_becomes_png(mode: str) -> None:
    picture = opened(image_of_cell(Pillow.new(mode, (3, 2))))
    assert (picture.format, picture.size) == ("PNG", (3, 2))


@pytest.mark.parametrize(("mode", "form"), [("CMYK", "JPEG"), ("CMYK", "TIFF"), ("RGB", "BMP")])
def test_what_no_model_takes_is_converted(mode: str, form: str) -> None:
    picture = opened(image_of_cell(encoded(mode, form)))
    assert (picture.format, picture.mode, picture.size) == ("PNG", "RGB", (3, 2))


@pytest.mark.parametrize("cell", ["hexadecimal", "in an object", "base64", "data URL"])
def test_it_is_converted_in_whatever_form_it_comes(cell: str) -> None:
    image = encoded("CMYK", "JPEG")
    text = base64.b64encode(image).decode()
    forms = {"hexadecimal": image.hex(), "in an object": {"hex_data": image.hex()}, "base64": text}
    assert opened(image_of_cell(forms.get(cell, f"data:image/jpeg;base64,{text}"))).format == "PNG"


def test_a_jpeg_in_colour_is_sent_as_it_is() -> None:
    image = encoded("RGB", "JPEG")
    assert image_of_cell(image) == f"data:image/jpeg;base64,{base64.b64encode(image).decode()}"


@pytest.mark.parametrize("cell", ["pictures/1.png", {"bytes": None, "path": "pictures/1.png"}, {"file_name": "1.PNG"}])
def test_a_path_is_opened_from_the_folder_of_the_data(tmp_path: Path, cell: Any) -> None:
    (tmp_path / "pictures").mkdir()
    for path in ("pictures/1.png", "1.PNG"):
        (tmp_path / path).write_bytes(PNG)
    assert image_of_cell(cell, tmp_path) == URL
    (tmp_path / "pictures" / "1.png").unlink()
    (tmp_path / "1.PNG").unlink()
    with pytest.raises(ValueError, match=r"1\.\w+ cannot be read: No such file"):
        image_of_cell(cell, tmp_path)
    with pytest.raises(ValueError, match="relative to no folder"):
        image_of_cell(cell)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("a picture", "neither a path nor an image as data URL, hexadecimal or base64"),
        (b"BM....", "6 bytes that are no image, or a damaged one"),
        (encoded("CMYK", "JPEG")[:200], "no image, or a damaged one"),
        (7, "int is not an image"),
        ("AAAA", "neither a path nor an image"),
        ({"hex_data": encoded("CMYK", "JPEG")[:200].hex()}, "200 bytes that are no image, or a damaged one"),
        ({"hex_data": "a picture"}, "hex_data that is not hexadecimal"),
        ({"picture": 1}, "an object with picture; write hex_data, bytes, path or base64"),
        ({"url": "s3://pictures/1.png"}, "an address that is not http or https; download the images"),
        ({"url": "http://127.0.0.1:9/1.png?key=k"}, r"^http://127.0.0.1:9/1.png cannot be downloaded: .*refused"),
    ],
)
def test_what_is_no_image_is_an_error(cell: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        image_of_cell(cell)
