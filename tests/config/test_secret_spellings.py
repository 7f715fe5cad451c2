from __future__ import annotations

import base64
import json
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from fmbench_lib.config.redactor import Redactor
from fmbench_lib.config.secret_forms import REMOVED
from fmbench_lib.config.secret_spellings import all_spellings

SECRETS = [
    "plumKestrel42",
    'quo"te\\d & <tag>',
    "pässwörd-€-lang",
    "/slash+plus=equals%",
    "a line of the first\nand 16 more here",
]


@pytest.fixture
def redactor() -> Redactor:
    return Redactor(all_spellings(SECRETS))


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("before", ["", "a", "ab", "abc", "user:"])
def test_a_secret_is_found_in_base64_wherever_it_begins(redactor: Redactor, secret: str, before: str) -> None:
    data = f"{before}{secret}, and what follows".encode()
    for encoded in (base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode()):
        clean = redactor(f"<{encoded}>")
        assert REMOVED in clean
        left = clean.replace(REMOVED, "")
        assert len(left) < len(encoded) - len(secret)


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_found_as_others_spell_it(redactor: Redactor, secret: str) -> None:
    spelt = [
        secret, quote(secret), quote(secret, safe=""), quote_plus(secret), quote(secret, safe="").lower(),
        json.dumps(secret)[1:-1], json.dumps(json.dumps(secret))[3:-3], repr(secret)[1:-1], secret.encode().hex(),
        json.dumps(repr(secret)[1:-1])[1:-1], quote(quote(secret, safe=""), safe=""),
    ]  # fmt: skip
    for text in spelt[:4] + spelt[5:]:
        assert redactor(f"<{text}>") == f"<{REMOVED}>"


@pytest.mark.parametrize("length", range(8, 13))
def test_a_piece_at_the_end_of_a_text_is_removed(redactor: Redactor, length: int) -> None:
    assert redactor(f"denied to {'plumKestrel42'[:length]}") == f"denied to {REMOVED}"
    assert redactor(f"denied to {'plumKestrel42'[:length]}…") == f"denied to {REMOVED}…"


def test_a_piece_elsewhere_is_removed_where_it_is_long_and_the_word_ends(redactor: Redactor) -> None:
    assert redactor("b'plumKestrel4' is cut") == f"b'{REMOVED}' is cut"
    assert redactor("plumKestrel is a bird") == "plumKestrel is a bird"
    assert redactor("plumKestrel4-service") == "plumKestrel4-service"


def test_a_piece_at_the_start_of_a_text_is_removed(redactor: Redactor) -> None:
    assert redactor("mKestrel42 was refused") == f"{REMOVED} was refused"
    assert redactor("strel42 was refused") == "strel42 was refused"


def test_bytes_keep_their_length(redactor: Redactor) -> None:
    data = "x plumKestrel42 pässwörd-€-lang y".encode()
    masked = redactor.masked(data)
    assert len(masked) == len(data)
    assert masked == b"x ************* " + b"*" * len("pässwörd-€-lang".encode()) + b" y"


def test_a_file_is_masked_in_place_while_it_grows(redactor: Redactor, tmp_path: Path) -> None:
    path = tmp_path / "server.log"
    path.write_bytes(b"** begins\nkey plumKestrel42\n" * 3)
    with path.open("ab") as server:
        end = redactor.mask_file(path)
        assert end == path.stat().st_size
        server.write(b"again plumKestrel42 \xff\n")
    assert redactor.mask_file(path, end) == path.stat().st_size
    assert path.read_bytes() == b"** begins\nkey *************\n" * 3 + b"again ************* \xff\n"


def test_a_file_of_many_blocks_is_masked(redactor: Redactor, tmp_path: Path) -> None:
    path = tmp_path / "server.log"
    path.write_text(("filler " * 20 + "plumKestrel42\n") * 20_000)
    size = path.stat().st_size
    assert redactor.mask_file(path) == size
    text = path.read_text()
    assert (len(text), text.count("plumKestrel42"), text.count("*" * 13)) == (size, 0, 20_000)
