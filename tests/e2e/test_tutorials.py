"""The tutorials as a reader follows them: files written, commands run, in order, against the emulators they start.

Ports are replaced by free ones. What installs something or needs an account is left out.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from fmbench_lib.host.ports import claim_ports

ROOT = Path(__file__).resolve().parents[2]
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
PORTS = ("8001", "8002")
LEFT_OUT = ("pip ", "fmbench cleanup")
MOST_S = 600


@pytest.mark.thorough
@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_a_tutorial_works_as_it_is_written(page: Path, tmp_path: Path) -> None:
    text = page.read_text(encoding="utf-8")
    with ExitStack() as servers:
        for was, port in zip(PORTS, claim_ports(None, len(PORTS)), strict=True):
            text = re.sub(rf"\b{was}\b", str(port), text)
        steps = 0
        for language, title, content in BLOCK.findall(text):
            if title:
                (tmp_path / title).write_text(content, encoding="utf-8")
            elif language == "python":
                run([sys.executable, "-W", "error", "-c", content], tmp_path)
            elif language == "sh":
                for line in content.splitlines():
                    if line.startswith("fmbench emulate "):
                        servers.enter_context(emulator(line, tmp_path))
                    elif not line.startswith(LEFT_OUT):
                        run(["bash", "-c", line], tmp_path)
            steps += bool(title) or language in ("python", "sh")
    assert steps >= 2


def environment() -> dict[str, str]:
    return os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def run(command: list[str], folder: Path) -> None:
    """A step of the reader, which must succeed."""
    done = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=MOST_S, check=False
    )
    assert done.returncode == 0, f"{command[-1]}\n{done.stdout}\n{done.stderr}"


@contextmanager
def emulator(line: str, folder: Path) -> Iterator[None]:
    """The emulator of a second terminal, from when it listens."""
    command = f"exec {line} --until-stdin-closes"
    with subprocess.Popen(
        ["bash", "-c", command], cwd=folder, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline().startswith("listening on ")
        yield
        process.stdin.close()
        process.wait(30)
