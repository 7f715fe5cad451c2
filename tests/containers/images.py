"""Images of real servers, made from this machine's own files: there is no registry that tests could reach.

An image holds what its program loads on this machine: the interpreter, the modules that it imports, and the shared
libraries of all of them.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

LLAMA = "localhost/llama-server:test"
NGINX = "localhost/nginx:test"
_SCRIPT = Path(__file__).with_name("llama_server_script.py")
_LOADED = """
import argparse, encodings.ascii, encodings.idna, encodings.latin_1, json, locale, sys, threading
import xllamacpp
argparse.ArgumentParser().parse_args([])
files = [module.__file__ for module in list(sys.modules.values()) if getattr(module, "__file__", None)]
print(json.dumps({"files": files, "base": sys._base_executable}))
"""


def llama_image(engine: list[str]) -> None:
    """llama.cpp's own server under `/app/llama-server`, as the published image has it."""
    said = subprocess.run([sys.executable, "-c", _LOADED], capture_output=True, text=True, check=True)
    loaded = json.loads(said.stdout)
    python = str(Path(loaded["base"]).resolve())
    packages = next(str(Path(name).parent.parent) for name in loaded["files"] if name.endswith("xllamacpp/__init__.py"))
    compiled = [name for name in loaded["files"] if ".so" in Path(name).name]
    script = f"#!{python} -S\n{_SCRIPT.read_text()}"
    _import(
        engine,
        LLAMA,
        [*loaded["files"], python, *_libraries(python, *compiled)],
        {"app/llama-server": script},
        ['ENTRYPOINT ["/app/llama-server"]', f"ENV PYTHONPATH={packages}", "ENV PYTHONDONTWRITEBYTECODE=1"],
    )


def nginx_image(engine: list[str]) -> None:
    """nginx as Debian packs it."""
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    _import(
        engine,
        NGINX,
        [program, *_libraries(program)],
        {"etc/passwd": "root:x:0:0::/:/\nnobody:x:65534:65534::/:/\n", "etc/group": "root:x:0:\nnogroup:x:65534:\n"},
        ["ENV PATH=/usr/sbin:/usr/bin"],
    )


def _libraries(*programs: str) -> list[str]:
    """The shared libraries that programs and libraries need, by the names that they ask for."""
    said = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=True).stdout
    return re.findall(r"(/\S+) \(0x", said)


def _import(engine: list[str], image: str, paths: Iterable[str], texts: Mapping[str, str], changes: list[str]) -> None:
    """Make an image of files at the places where they are on this machine, and of these texts."""
    options = [word for change in changes for word in ("--change", change)]
    with subprocess.Popen(
        [*engine, "import", "--quiet", *options, "-", image], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as importing:
        assert importing.stdin is not None
        with tarfile.open(fileobj=importing.stdin, mode="w|") as archive:
            for folder in ("tmp", "proc", "sys", "dev", "var/log/nginx", "var/lib/nginx", "run"):
                _add(archive, folder, tarfile.DIRTYPE, b"", 0o1777)
            for path in sorted(set(paths)):
                archive.add(Path(path).resolve(), arcname=path.lstrip("/"))
            for name, text in texts.items():
                _add(archive, name, tarfile.REGTYPE, text.encode(), 0o755)
        importing.stdin.close()
        assert importing.wait() == 0, f"{image} could not be imported"


def _add(archive: tarfile.TarFile, name: str, kind: bytes, content: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.size, entry.mode = kind, len(content), mode
    archive.addfile(entry, io.BytesIO(content))
