"""Images: from a data set's cells to prompts, and from prompts to requests."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.config import ConfigError, parse_config
from fmbench_lib.data.prompts import generate_payloads
from fmbench_lib.errors import DataError
from fmbench_lib.images import chat_content, data_url, without_images
from tests.config.conftest import MINIMAL
from tests.data.test_prompts import CharacterTokenizer, between, source

PNG = b"\x89PNG\r\n\x1a\n and so on"
URL = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"


WITH_IMAGES = MINIMAL.replace("datasets:\n", "datasets:\n  image_col: image\n")


class Picture:
    """An image as Hugging Face data sets represent it."""

    def save(self, file: Any, format: str) -> None:
        assert format == "PNG"
        file.write(PNG)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (PNG, URL),
        (base64.b64encode(PNG).decode(), URL),
        (URL, URL),
        ({"bytes": PNG, "path": "1.png"}, URL),
        (Picture(), URL),
        ([PNG, URL], f"{URL}\n{URL}"),
        (b"\xff\xd8\xff\xe0", "data:image/jpeg;base64,/9j/4A=="),
        (b"GIF89a", "data:image/gif;base64,R0lGODlh"),
        (b"RIFF\x00\x00\x00\x00WEBP", "data:image/webp;base64,UklGRgAAAABXRUJQ"),
        (None, ""),
        ("", ""),
        ({"bytes": None, "path": None}, ""),
    ],
)
def test_every_form_of_an_image_cell(cell: Any, expected: str) -> None:
    assert data_url(cell) == expected


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ({"bytes": None, "path": "1.png"}, "only the path of an image: 1.png"),
        ("a picture", "neither base64"),
        (b"BM....", "not PNG"),
        (7, "int"),
        ("AAAA", "not PNG"),
    ],
)
def test_invalid_images_are_errors(cell: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        data_url(cell)


def created(rows: list[dict[str, Any]], template: str = "{question}") -> list[Any]:
    results = generate_payloads(
        [source(rows)],
        template=template,
        template_keys=["question"],
        filters=[between(1, 100, name="all.jsonl")],
        tokenizer=CharacterTokenizer(),
        seed=1,
        image_column="image",
    )
    return results.files["all.jsonl"]


def test_a_prompt_has_its_image_behind_its_text_and_only_the_text_is_counted() -> None:
    (row,) = created([{"question": "What is it?", "image": {"bytes": PNG}}])
    assert row["prompt"] == f"What is it?\n{URL}"
    assert row["prompt_tokens"] == len("What is it?\n")
    assert without_images(row["prompt"]) == "What is it?\n"


def test_a_row_without_an_image_is_text() -> None:
    (row,) = created([{"question": "What is it?", "image": None}])
    assert row["prompt"] == "What is it?"


def test_rows_that_differ_by_their_image_are_different_prompts() -> None:
    assert len(created([{"question": "What is it?", "image": item} for item in (PNG, PNG + b"!", None)])) == 3


def test_an_invalid_image_names_its_row() -> None:
    with pytest.raises(DataError, match=r"rows, line 1: no image in column image \(datasets.image_col\): .*PNG"):
        created([{"question": "What is it?", "image": b"BM"}])


def test_it_is_sent_as_an_image() -> None:
    assert chat_content(f"What is it?\n{URL}") == [
        {"type": "text", "text": "What is it?\n"},
        {"type": "image_url", "image_url": {"url": URL}},
    ]


def test_text_only_protocols_refuse_images(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"protocol: is tgi, which takes no images \(datasets.image_col\)"):
        parse_config(WITH_IMAGES + "  protocol: tgi\n", path=tmp_path / "config.yml")
    with pytest.raises(ConfigError, match=r"ep_name: takes no images"):
        parse_config(WITH_IMAGES.replace("/chat/", "/"), path=tmp_path / "config.yml")


def test_sagemaker_gets_images_in_messages(tmp_path: Path) -> None:
    loaded = parse_config(WITH_IMAGES + "  protocol: sagemaker\n", path=tmp_path / "config.yml")
    assert loaded.config.experiments[0].use_messages_api_format
    assert [notice.key for notice in loaded.notices] == ["experiments[0].use_messages_api_format"]
    assert parse_config(WITH_IMAGES, path=tmp_path / "config.yml").notices == ()


def test_a_path_is_opened(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(PNG)
    (row,) = created([{"question": "What is it?", "image": {"bytes": None, "path": str(tmp_path / "1.png")}}])
    assert row["prompt"] == f"What is it?\n{URL}"


def test_a_path_without_a_file_is_an_error_that_names_it() -> None:
    with pytest.raises(DataError, match=r"no image in column image .*No such file.*/nowhere/1\.png"):
        created([{"question": "What is it?", "image": {"bytes": None, "path": "/nowhere/1.png"}}])


class Scan(Picture):
    """A picture in colours of print, which PNG cannot hold."""

    mode = "CMYK"

    def save(self, file: Any, format: str) -> None:
        raise OSError(f"cannot write mode {self.mode} as {format}")

    def convert(self, mode: str) -> Picture:
        assert mode == "RGB"
        return Picture()


def test_an_image_in_colours_of_print_is_converted() -> None:
    assert data_url(Scan()) == URL
