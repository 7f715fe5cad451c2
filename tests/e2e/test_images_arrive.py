"""Images in every form that data sets have them in arrive at the server byte for byte: its ledger has their hashes."""

from __future__ import annotations

import base64
import hashlib
import http.server
import io
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image as Pillow

from fmbench_lib import steps
from fmbench_lib.config import ConfigError
from fmbench_lib.emulator import Emulator, launch
from fmbench_lib.errors import DataError
from fmbench_lib.host.atomic_files import read_rows
from fmbench_lib.load.probe import prompt_counts
from fmbench_lib.predictors.registry import predictor_for
from fmbench_lib.runs.opening import create_run
from fmbench_lib.runs.run import Run
from tests.e2e.conftest import Finished

CONFIG = """
general: {{name: pictures}}
data:
  sources: [{source}]
  prompt_template: "{template}"
  image_col: image
load: {{requests: 1, warmup_requests: 0, prompt_reuse: allowed}}
experiments:
- {{name: sees, platform: endpoint, protocol: {protocol}, ep_name: "{url}", model_id: m, tokenizer: words,
   use_messages_api_format: {messages}, concurrency_levels: [1]}}
"""
PROTOCOLS = {
    "openai": "/v1/chat/completions",
    "ollama": "/api/generate",
    "bedrock": "/model/us.amazon.nova-lite-v1%3A0",
    "sagemaker": "/endpoints/sees/invocations",
}


def encoded(mode: str, form: str, colour: int = 3) -> bytes:
    buffer = io.BytesIO()
    Pillow.new(mode, (5, 4), colour).save(buffer, format=form)
    return buffer.getvalue()


JPEG, WEBP, GIF, CMYK = encoded("RGB", "JPEG"), encoded("RGB", "WEBP"), encoded("P", "GIF"), encoded("CMYK", "JPEG")
TRANSPARENT = encoded("RGBA", "PNG")
PNGS = [encoded("RGB", "PNG", colour) for colour in range(8)]


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with launch() as running, pytest.MonkeyPatch.context() as patch:
        for name, value in {**running.aws_environment, "AWS_REGION": "us-east-1"}.items():
            patch.setenv(name, value)
        patch.delenv("AWS_SESSION_TOKEN", raising=False)
        yield running


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """A web server with one picture."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/seven.png"
            self.send_response(200 if found else 404)
            self.end_headers()
            self.wfile.write(PNGS[7] if found else b"")

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def text_cells(folder: Path, site: str) -> dict[str, tuple[Any, bytes]]:
    """Each form that fits into JSON: the cell, and the bytes that must arrive."""
    (folder / "three.png").write_bytes(PNGS[3])
    return {
        "hex": ({"hex_data": PNGS[0].hex(), "format": "png"}, PNGS[0]),
        "base64": (base64.b64encode(PNGS[1]).decode(), PNGS[1]),
        "data URI": (f"data:image/png;base64,{base64.b64encode(PNGS[2]).decode()}", PNGS[2]),
        "path": ("three.png", PNGS[3]),
        "path in an object": ({"path": str(folder / "three.png"), "bytes": None}, PNGS[3]),
        "URL": (f"{site}/seven.png", PNGS[7]),
        "OpenAI's part": ({"type": "image_url", "image_url": {"url": f"{site}/seven.png"}}, PNGS[7]),
        "JPEG": ({"hex_data": JPEG.hex(), "format": "jpeg"}, JPEG),
        "WebP": ({"base64": base64.b64encode(WEBP).decode()}, WEBP),
        "GIF": ({"data": base64.b64encode(GIF).decode()}, GIF),
        "PNG with alpha": ({"hex_data": TRANSPARENT.hex()}, TRANSPARENT),
    }


def run_of(folder: Path, source: str, url: str = "http://127.0.0.1:9/v1/chat/completions", **changes: str) -> Run:
    settings = {"protocol": "openai", "template": "{number}: what is it?", "messages": "no", **changes}
    (folder / "pictures.yml").write_text(CONFIG.format(source=source, url=url, **settings))
    return create_run(str(folder / "pictures.yml"), results=folder / "results")


def write_jsonl(folder: Path, cells: Mapping[str, Any]) -> str:
    rows = [{"number": name, "image": cell} for name, cell in cells.items()]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return "rows.jsonl"


def arrived(run: Run, emulator: Emulator) -> dict[str, tuple[str, ...]]:
    """What the ledger has of each prompt, by the name that its text begins with."""
    steps.generate_data(run)
    (experiment,) = run.config.experiments
    rows = list(read_rows(run.workspace.payload(experiment.payload_files[0])))
    before = len(list(emulator.read_ledger()))
    predictor = predictor_for(experiment, str(experiment.ep_name), "m")
    prompt_counts(predictor, [row["prompt"] for row in rows])
    entries = list(emulator.read_ledger())[before:]
    return {row["prompt"].partition(":")[0]: entry.images for row, entry in zip(rows, entries, strict=True)}


def hashes(*images: bytes) -> tuple[str, ...]:
    return tuple(hashlib.sha256(image).hexdigest() for image in images)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_each_form_arrives_byte_for_byte(protocol: str, emulator: Emulator, site: str, tmp_path: Path) -> None:
    cells = text_cells(tmp_path, site)
    source = write_jsonl(tmp_path, {name: cell for name, (cell, _) in cells.items()})
    run = run_of(tmp_path, source, emulator.base_url + PROTOCOLS[protocol], protocol=protocol, messages="yes")
    assert arrived(run, emulator) == {name: hashes(image) for name, (_, image) in cells.items()}


def test_bytes_in_a_table_arrive(emulator: Emulator, tmp_path: Path) -> None:
    cells = [{"bytes": image, "path": None} for image in PNGS[:4]]
    pq.write_table(pa.table({"number": ["a", "b", "c", "d"], "image": cells}), tmp_path / "rows.parquet")
    run = run_of(tmp_path, "rows.parquet", emulator.base_url + PROTOCOLS["openai"])
    assert arrived(run, emulator) == {name: hashes(PNGS[number]) for number, name in enumerate("abcd")}
    pq.write_table(pa.table({"number": ["a", "b"], "image": PNGS[:2]}), tmp_path / "rows.parquet")
    run = run_of(tmp_path, "rows.parquet", emulator.base_url + PROTOCOLS["ollama"], protocol="ollama")
    assert arrived(run, emulator) == {"a": hashes(PNGS[0]), "b": hashes(PNGS[1])}


def test_a_picture_in_cmyk_arrives_as_the_png_that_the_payload_file_has(emulator: Emulator, tmp_path: Path) -> None:
    source = write_jsonl(tmp_path, {"cmyk": {"hex_data": CMYK.hex(), "format": "jpeg"}})
    run = run_of(tmp_path, source, emulator.base_url + PROTOCOLS["openai"])
    received = arrived(run, emulator)
    (row,) = read_rows(run.workspace.payload("prompts.jsonl"))
    png = base64.b64decode(row["prompt"].partition("base64,")[2])
    assert received == {"cmyk": hashes(png)}
    picture = Pillow.open(io.BytesIO(png))
    assert (picture.format, picture.mode, picture.size) == ("PNG", "RGB", (5, 4))


def test_several_pictures_of_a_row_arrive_in_order(emulator: Emulator, tmp_path: Path) -> None:
    source = write_jsonl(tmp_path, {"two": [base64.b64encode(image).decode() for image in PNGS[:2]]})
    run = run_of(tmp_path, source, emulator.base_url + PROTOCOLS["bedrock"], protocol="bedrock")
    assert arrived(run, emulator) == {"two": hashes(*PNGS[:2])}


def test_rows_without_a_picture_are_left_out_and_counted(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path, {"a": None, "b": {"hex_data": PNGS[0].hex()}, "c": {"bytes": None}})
    run = run_of(tmp_path, source)
    assert list(steps.generate_data(run)["prompts"]) == [1]
    index = json.loads(run.workspace.payload_index.read_text())
    assert index["sources"][0]["rows_without_image"] == 2
    assert any("2 of 3 rows have no image in column image and are left out" in notice for notice in index["notices"])


WRONG = {
    "another key": ({"picture": "abc"}, "an object with picture; write hex_data, bytes, path or base64"),
    "no picture": ("not a picture", "neither a path nor an image as data URL, hexadecimal or base64"),
    "a number": (7, "int is not an image"),
    "half a picture": ({"hex_data": CMYK[:200].hex()}, "200 bytes that are no image, or a damaged one"),
    "hexadecimal of no picture": ({"hex_data": "00ff00ff", "format": "png"}, "no image"),
    "no such file": ("none.png", "none.png cannot be read: No such file"),
    "a bucket": ("s3://pictures/1.png", "an address that is not http or https"),
    "no such page": ("{site}/none.png", "none.png cannot be downloaded: HTTP 404"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_form_is_one_line_that_names_the_row(name: str, site: str, tmp_path: Path) -> None:
    cell, words = WRONG[name]
    cell = cell.format(site=site) if isinstance(cell, str) else cell
    run = run_of(tmp_path, write_jsonl(tmp_path, {"good": {"hex_data": PNGS[0].hex()}, "bad": cell}))
    with pytest.raises(DataError, match="line 2: no image in column image ") as caught:
        steps.generate_data(run)
    assert words in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_protocol_without_pictures_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is tgi, which takes no images"):
        run_of(tmp_path, "none.jsonl", protocol="tgi")


@pytest.mark.thorough
def test_a_run_with_one_prompt_for_all_pictures(
    emulator: Emulator, fmbench: Callable[..., Finished], tmp_path: Path
) -> None:
    write_jsonl(tmp_path, {str(number): {"hex_data": image.hex()} for number, image in enumerate(PNGS)} | {"no": None})
    before = len(list(emulator.read_ledger()))
    text = CONFIG.format(
        source="rows.jsonl",
        url=emulator.base_url + urlsplit(PROTOCOLS["openai"]).path,
        protocol="openai",
        template="Describe the picture.",
        messages="no",
    ).replace("requests: 1, warmup_requests: 0, prompt_reuse: allowed", "requests: 7, warmup_requests: 1")
    (tmp_path / "pictures.yml").write_text(text)
    done = fmbench("--config-file", tmp_path / "pictures.yml")
    assert done.code == 0, done.out + done.err
    received = [image for entry in list(emulator.read_ledger())[before:] for image in entry.images]
    assert sorted(received) == sorted(hashes(*PNGS))
    assert "1 of 9 rows have no image in column image and are left out" in (done.run / "report.md").read_text()
