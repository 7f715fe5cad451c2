from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from fmbench_lib.config.redactor import Redactor
from fmbench_lib.config.secret_forms import REMOVED
from fmbench_lib.config.secret_search import _Index

SECRETS = [
    "plumKestrel42",
    'quo"te\\d & <tag>',
    "pässwörd-€-lang",
    "/slash+plus=equals%",
    "a line of the first\nand 16 more here",
]


@pytest.fixture
def redactor() -> Redactor:
    return Redactor.of(SECRETS)


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


def each(form: str, text: str) -> str:
    return "".join(form % ord(letter) for letter in text)


def numbers(form: str, text: str, between: str = "") -> str:
    return between.join(form % byte for byte in text.encode())


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


ODD: dict[str, Callable[[str], str]] = {
    "capitals": str.upper,
    "small letters": str.lower,
    "UTF-16 in digits": lambda text: text.encode("utf-16-le").hex(),
    "UTF-16 in digits, the other way round": lambda text: text.encode("utf-16-be").hex().upper(),
    "capital digits": lambda text: text.encode().hex().upper(),
    "digits apart": lambda text: text.encode().hex(" "),
    "digits with colons": lambda text: text.encode().hex(":"),
    "digits of C": lambda text: numbers("0x%02x", text, ", ")[2:],
    "decimal bytes": lambda text: numbers("%d", text, ", "),
    "decimal bytes of Go": lambda text: numbers("%d", text, " "),
    r"\x41": lambda text: numbers(r"\x%02x", text),
    r"\101": lambda text: numbers(r"\%03o", text),
    r"\u0041": lambda text: each(r"\u%04x", text),
    r"\\u0041": lambda text: each(r"\\u%04X", text),
    r"\u{41}": lambda text: each(r"\u{%x}", text),
    r"\U00000041": lambda text: each(r"\U%08x", text),
    "%41": lambda text: numbers("%%%02X", text),
    "&#65;": lambda text: each("&#%d;", text),
    "&#x41;": lambda text: each("&#x%X;", text),
    "HTML": html.escape,
    "HTML twice": lambda text: html.escape(html.escape(text)),
    "address twice": lambda text: quote(quote(text, safe=""), safe=""),
    "address three times": lambda text: quote(quote(quote(text, safe=""), safe=""), safe=""),
    "JSON in JSON": lambda text: json.dumps(json.dumps(text)[1:-1])[1:-1],
    "JSON in JSON in JSON": lambda text: json.dumps(json.dumps(json.dumps(text)[1:-1])[1:-1])[1:-1],
    "JSON in an address": lambda text: quote(json.dumps(text)[1:-1], safe=""),
    "an address in JSON in HTML": lambda text: html.escape(json.dumps(quote(text))[1:-1]),
    "as PHP writes JSON": lambda text: json.dumps(text)[1:-1].replace("/", r"\/"),
    "as Go writes JSON": lambda text: json.dumps(text)[1:-1].replace("&", r"\u0026").replace("<", r"\u003c"),
    "bytes as Python writes them": lambda text: repr(text.encode())[2:-1].replace("\\'", "'"),
    "address four times": lambda text: quote(quote(quote(quote(text, safe=""), safe=""), safe=""), safe=""),
    "JSON four times": lambda text: json.dumps(json.dumps(json.dumps(json.dumps(text)[1:-1])[1:-1])[1:-1])[1:-1],
    "&#65": lambda text: each("&#%d", text),
    "=41": lambda text: numbers("=%02X", text),
    "Base64 twice": lambda text: base64_of(base64_of(text)),
    "Base64 three times": lambda text: base64_of(base64_of(base64_of(text))),
    "Base64 of digits": lambda text: base64_of(text.encode().hex()),
    "digits of Base64": lambda text: base64_of(text).encode().hex(),
    "digits twice": lambda text: text.encode().hex().encode().hex().upper(),
    "digits as xxd writes them": lambda text: text.encode().hex(" ", -2),
    "Base64 of an address": lambda text: base64_of(quote(text, safe="") + " " * 12),
    "Base64 of JSON in JSON": lambda text: base64_of(json.dumps(json.dumps({"key": text}))),
    "Base64 in an address": lambda text: quote(base64_of(base64_of(text)), safe=""),
    "backwards": lambda text: text[::-1],
    "Base85": lambda text: base64.b85encode(text.encode()).decode(),
    "letters of no width between": lambda text: "\u200b".join(text),
    "letters of no width in JSON": lambda text: json.dumps("\u200b".join(text))[1:-1],
    "soft hyphens between": lambda text: "\u00ad".join(text),
    "NUL between": lambda text: "\0".join(text),
    "UTF-8 taken for Latin-1": lambda text: text.encode().decode("latin-1"),
}


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("spelt", ODD.values(), ids=ODD)
def test_a_secret_is_found_however_it_is_spelt(redactor: Redactor, secret: str, spelt: Callable[[str], str]) -> None:
    text = spelt(secret)
    assert redactor(f"<{text}>") == f"<{REMOVED}>"
    assert redactor.masked(f"<{text}>".encode()) == b"<" + b"*" * len(text.encode()) + b">"


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("before", ["", "a", "ab", "abc", "abcd", "user:"])
def test_a_secret_is_found_in_base32_wherever_it_begins(redactor: Redactor, secret: str, before: str) -> None:
    data = f"{before}{secret}, and what follows".encode()
    for encoded in (base64.b32encode(data).decode(), base64.b32encode(data).decode().lower()):
        clean = redactor(f"<{encoded}>")
        assert REMOVED in clean
        # each letter holds five bits: at most two that are shared with neighbours are left of the secret
        assert len(clean.replace(REMOVED, "")) <= 2 + 2 + len(encoded) - len(secret.encode()) * 8 // 5


def test_a_secret_that_was_broken_into_lines_is_found(redactor: Redactor) -> None:
    assert redactor("the key plumKes\n    trel42 is refused") == f"the key {REMOVED} is refused"
    lines = base64.encodebytes(b"-" * 50 + b"plumKestrel42" + b"-" * 20).decode()
    assert base64.b64encode(b"plumKestrel42").decode()[8:-4] not in redactor(lines).replace("\n", "")


def test_what_is_escaped_and_no_secret_stays_as_it_is(redactor: Redactor) -> None:
    for text in (
        r'{"a": "\u00e4\n\"x\" 100%25 \\u0041"}',
        "a &amp;lt; b &#65;&unknown; %zz %",
        "\\" * 9,
        "one\ntwo\nthree",
    ):
        assert redactor.without_known(text) == text


def test_letters_before_and_after_an_escaped_secret_stay(redactor: Redactor) -> None:
    secret = each(r"\u%04x", "plumKestrel42")
    assert redactor.without_known(rf"ä \n \u20ac {secret} \u20ac%41 ß") == rf"ä \n \u20ac {REMOVED} \u20ac%41 ß"


def test_a_short_secret_is_found_that_another_begins_with() -> None:
    redactor = Redactor.of(["secret-one", "secret-one-and-two", "secret-one-and-more", "short"])
    assert redactor("x secret-oneness, secret-one-and-t") == f"x {REMOVED}ness, {REMOVED}"
    assert redactor("a secret-one-and-more b short") == f"a {REMOVED} b short"


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


@pytest.mark.parametrize("at", [0, (1 << 20) - 5, (1 << 20) - (1 << 14) - 5, (2 << 20) - 1, (3 << 20) - 13])
def test_bytes_of_many_blocks_are_masked_also_where_two_meet(redactor: Redactor, at: int) -> None:
    data = bytearray(b"." * (3 << 20))
    data[at : at + 13] = b"plumKestrel42"
    masked = redactor.masked(bytes(data))
    assert masked == data.replace(b"plumKestrel42", b"*" * 13)
    assert redactor.masked(masked) == masked


@pytest.mark.parametrize("word", ["endpoint", "ENDPOINT", "MadEndpoint"])
def test_a_word_by_itself_is_no_piece_of_a_secret(word: str) -> None:
    redactor = Redactor.of(["AKIA7Q3MADENDPOINT"])
    assert redactor(word) == word  # a platform is called so
    assert redactor("7Q3MADENDPOINT") == redactor("7q3madendpoint") == REMOVED


@pytest.mark.parametrize("before", ["", "a", "ab", "abc", "user:", '{"name": "x", "key": "'])
def test_what_was_encoded_twice_is_found_wherever_it_begins(redactor: Redactor, before: str) -> None:
    inner = base64_of(f"{before}plumKestrel42, and what follows")
    assert redactor(f"<v1/{base64_of(before + inner)}").rstrip("=") == f"<{REMOVED}"
    assert redactor(f"<{base64_of(before + base64_of('nothing of it'))}>").count(REMOVED) == 0


def test_letters_as_wide_as_chinese_ones(redactor: Redactor) -> None:
    wide = "".join(chr(ord(letter) + 0xFEE0) for letter in "plumKestrel42")
    assert redactor(f"河流，很长。{wide}。") == f"河流，很长。{REMOVED}。"
    assert redactor(json.dumps(f"<{wide}>")) == f'"<{REMOVED}>"'


def test_lines_that_quoted_printable_breaks(redactor: Redactor) -> None:
    assert redactor("<plumKe=\nstrel42>") == f"<{REMOVED}>"


def test_quotes_that_a_table_doubles(redactor: Redactor) -> None:
    quoted = SECRETS[1].replace('"', '""')
    assert redactor(f'"{quoted}",1') == f'"{REMOVED}",1'


@pytest.mark.parametrize("piece", ["%5C\\x26&#37;=3D", "%25", "\\", "QUFB", "41", "&amp;", "=\n", "\u200b", "a\0"])
def test_texts_of_nothing_but_escapes_are_looked_at_a_limited_number_of_times(
    redactor: Redactor, piece: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at = []
    search = _Index.spans
    monkeypatch.setattr(_Index, "spans", lambda index, data: looked_at.append(len(data)) or search(index, data))
    text = piece * (40_000 // len(piece))
    assert redactor(text) == text
    assert sum(looked_at) < 40 * len(text)


@pytest.mark.parametrize("spelt", [spelt for name, spelt in ODD.items() if "Base64" in name or "digits" in name])
def test_what_stands_between_two_encoded_secrets_stays(redactor: Redactor, spelt: Callable[[str], str]) -> None:
    text = spelt("plumKestrel42")
    between = '\r\n\r\ndata: {"message": "died with '
    assert redactor(f"<{text}{between}{text}>") == f"<{REMOVED}{between}{REMOVED}>"
