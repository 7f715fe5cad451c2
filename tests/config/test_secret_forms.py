from __future__ import annotations

import pytest

from fmbench_lib.config.secret_forms import REMOVED, replaced, spans_of_forms, without_secrets

KEYS = [
    "sk-abcdefghijklmnop1234", "sk-proj-abcDEF_ghijklmn-op", "sk_live_abcdefghijklmnop12", "hf_abcdefghijklmnopqrst",
    "gsk_abcdefghijklmnop1234", "glpat-abcdefghij_klmnop12", "github_pat_11ABCDEFG0_abcdefghijklmn",
    "ghp_abcdefghijklmnop1234", "AKIAABCDEFGHIJKLMNOP", "ASIAABCDEFGHIJKLMNOP", "xoxb-123456789012-abcdef",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "eyJhbGciOiJIUzI1NiJ9abc", "nvapi-abcdefghijklmnopqrst",
    "AIzaSyA-abcdefghijklmnopqrstuvwxyz_1",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\nabc/def+==\n-----END RSA PRIVATE KEY-----",
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk",
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("around", ["{}", "see <{}> there", '"{}"', r"line\n{}", "?x=%3D{}&y", "x={}", "[{}]"])
def test_a_key_is_known_by_its_form(key: str, around: str) -> None:
    text = around.format(key)
    clean = replaced(text, spans_of_forms(text))
    assert key not in clean
    assert key[-8:] not in clean
    assert REMOVED in clean


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("someone:hunter2@registry.example.com/a/b:1", f"someone:{REMOVED}@registry.example.com/a/b:1"),
        ("registry.example.com/a/b:tag@sha256:0123abcd", "registry.example.com/a/b:tag@sha256:0123abcd"),
        ("DB_PASS=abc MY_PAT=abc SOME_KEY=abc A_JWT=abc CRED=abc MY_PWD=abc", " ".join(
            f"{name}={REMOVED}" for name in ("DB_PASS", "MY_PAT", "SOME_KEY", "A_JWT", "CRED", "MY_PWD"))),
        ('password="two words" and more', f'password="{REMOVED}" and more'),
        (r'{\"password\": \"abc\"}', rf'{{\"password\": \"{REMOVED}\"}}'),
        ("token: 5, max_tokens=100000, token_count=12345678, password=null", None),
        ("eos_token=<|end|>, token=<s>, unk_token: [UNK]", None),
        ("tokenizer=words tokenizers: 1 PATH=/usr/bin MONKEY=banana sort_key=name", None),
        (f"Authorization: Bearer {REMOVED}", f"Authorization: {REMOVED}"),
        ("the bearer of news; Basic facts; basic auth", None),
        ("task-management-is-hard and desk-abcdefghijklmnopqrst", None),
        ("https://example.com/a:b@c", None),
    ],
)  # fmt: skip
def test_what_is_and_what_is_not_a_secret_in_a_text(text: str, safe: str | None) -> None:
    assert without_secrets(text) == (text if safe is None else safe)


def test_cleaning_twice_is_cleaning_once() -> None:
    text = " ".join(KEYS) + ' password="a b" --api-key abc Authorization: Bearer xyz http://u:p@h/?key=1'
    once = without_secrets(text)
    assert without_secrets(once) == once


def test_spans_that_overlap_are_replaced_once() -> None:
    assert replaced("0123456789", [(2, 5), (4, 6), (3, 4), (8, 9)]) == f"01{REMOVED}67{REMOVED}9"
    assert replaced("0123456789", [(2, 4), (8, 9)], lambda length: "*" * length) == "01**4567*9"
    assert replaced("0123", []) == "0123"


PIECES = ["a", "-a", "eyJ-", " ", "a ", "?a_key", "://a:b", "a:b@", "Bearer ", "Basic ", "-----BEGIN PRIVATE KEY",
          'password="', 'password=\\"', "a.", "a=", "\\", "sk-", "token: ", "_", "token\n", "--a ", "a@b:", "'\"",
          "token=", "token=a&", "--token ", "x:y@h.", "Bearer\n", "a:b"]  # fmt: skip


@pytest.mark.parametrize("piece", PIECES)
def test_long_texts_of_anything_are_cleaned(piece: str) -> None:
    """A pattern whose time grows with the square of the text would take minutes for each of these."""
    without_secrets(piece * (200_000 // len(piece)))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("api_key: b'plumKestrel'", "api_key: b'<removed>'"),
        ("{b'authorization': b'Bearer plumKestrel'}", "{b'authorization': b'<removed>'}"),
        ('password=r"plum Kestrel"', 'password=r"<removed>"'),
        ("api_key = SecretStr('plumKestrel')", "api_key = SecretStr('<removed>')"),
        ("tokens: [1], api_key: ['plumKestrel']", "tokens: [1], api_key: ['<removed>']"),
        ("api_key: !!str plumKestrel", "api_key: !!str <removed>"),
        ("apiKey => 'plumKestrel'", "apiKey => '<removed>'"),
        ("at /cb?x=1 api_key%3DplumKestrel", "at /cb?x=1 api_key%3D<removed>"),
        ("<SessionToken>plumKestrel</SessionToken>", "<SessionToken><removed></SessionToken>"),
    ],
)
def test_a_value_in_a_wrapping_is_removed_from_it(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


@pytest.mark.parametrize("text", ["<p>plum</p>", "max_tokens=(5)", "<tokens>5</tokens>", "password=None", "a => 'b'"])
def test_what_is_wrapped_alike_and_no_secret_stays(text: str) -> None:
    assert without_secrets(text) == text
