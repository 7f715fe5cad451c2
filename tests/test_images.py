"""Images: from a data set's cells to prompts, and from prompts to requests."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.config import ConfigError, parse_config
from fmbench_lib.data.prompts import PayloadSet, generate_payloads
from fmbench_lib.data.sources.base import Source
from fmbench_lib.errors import DataError
from fmbench_lib.images import chat_content, without_images
from tests.config.conftest import MINIMAL
from tests.data.test_prompts import CharacterTokenizer, between, source

PNG = b"\x89PNG\r\n\x1a\n and so on"
URL = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"


WITH_IMAGES = MINIMAL.replace("datasets:\n", "datasets:\n  image_col: image\n")


def payloads(sources: list[Source], **changes: Any) -> PayloadSet:
    settings: dict[str, Any] = {"template": "{question}", "template_keys": ["question"], "seed": 1, **changes}
    filters = [between(1, 100, name="all.jsonl")]
    return generate_payloads(sources, filters=filters, tokenizer=CharacterTokenizer(), **settings)


def created(rows: list[dict[str, Any]], template: str = "{question}", keys: Sequence[str] = ("question",)) -> list[Any]:
    made = payloads([source(rows)], template=template, template_keys=keys, image_column="image")
    return made.files["all.jsonl"]


def test_a_prompt_has_its_image_behind_its_text_and_only_the_text_is_counted() -> None:
    (row,) = created([{"question": "What is it?", "image": {"bytes": PNG}}])
    assert row["prompt"] == f"What is it?\n{URL}"
    assert row["prompt_tokens"] == len("What is it?\n")
    assert without_images(row["prompt"]) == "What is it?\n"


def test_a_row_without_an_image_is_left_out_and_counted() -> None:
    rows = [{"question": "What is it?", "image": image} for image in (None, "", {"bytes": None}, PNG)]
    made = payloads([source(rows)], image_column="image")
    assert [row["prompt"] for row in made.files["all.jsonl"]] == [f"What is it?\n{URL}"]
    assert made.sources[0]["rows_without_image"] == 3
    assert "rows: 3 of 4 rows have no image in column image and are left out" in made.notices


def test_a_constant_prompt_may_stand_beside_images() -> None:
    assert [row["prompt"] for row in created([{"image": PNG}], "Describe it.", [])] == [f"Describe it.\n{URL}"]


def test_rows_that_differ_by_their_image_are_different_prompts() -> None:
    assert len(created([{"question": "What is it?", "image": item} for item in (PNG, PNG + b"!")])) == 2


def test_an_invalid_image_names_its_row() -> None:
    with pytest.raises(
        DataError, match=r"rows, line 1: no image in column image \(datasets.image_col\): 2 bytes that are no image"
    ):
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
    with pytest.raises(DataError, match=r"no image in column image .*/nowhere/1\.png cannot be read: No such file"):
        created([{"question": "What is it?", "image": {"bytes": None, "path": "/nowhere/1.png"}}])
