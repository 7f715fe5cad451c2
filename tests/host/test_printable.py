from __future__ import annotations

import pytest

from fmbench_lib.host.printable import printable


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain – text, 日本語 ü", "plain – text, 日本語 ü"),
        ("  indented", "  indented"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07x", "x"),
        ("\x1b]8;;http://a\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b2Jx", "x"),
        ("\x1b]52;c;cm0=\x9cx", "x"),
        ("one\r\ntwo\nthree\rfour\u2028five\x85six", "one two three four five six"),
        ("a\u202eb\u2066c\u200bd\ufeffe", "abcde"),
        ("a\x00b\x08c\x7fd", "abcd"),
        ("\x1b", ""),
        ("\x1b]never ended", ""),
        ("a\u034fb\u3164c\U000e0100d\u115fe\ufff9f", "abcdef"),
        ("\x1bP1$r\x1b\\x\x1b_app\x9cy\x84z", "xyz"),
        ("lone \ud800 surrogate", "lone  surrogate"),
    ],
)
def test_what_a_terminal_obeys_is_removed(text: str, line: str) -> None:
    assert printable(text) == line
