"""Source files with rows that are none, or hold what nothing can send."""

from __future__ import annotations

import json

GOOD = '{"input": "What is an example of a question?", "language": "en"}\n'

ROWS: dict[str, bytes] = {
    "nothing": b"",
    "empty lines": b"\n\n\n",
    "no JSON": b"hello\n",
    "half a row": b'{"input": "a\n',
    "a list": b"[1, 2]\n",
    "a number": b"7\n",
    "null": b"null\n",
    "deep": b"[" * 100_000 + b"\n",
    "a number of many digits": b'{"input": ' + b"9" * 5000 + b"}\n",
    "half a character": b'{"input": "\\ud83d"}\n',
    "half a character in a key": b'{"input": "a", "\\ud83d": "b"}\n',
    "half a character within": b'{"input": {"a": ["\\udc00"]}}\n',
    "not UTF-8": b'{"input": "\xff\xfe"}\n',
    "zero bytes": b"\x00" * 1000,
    "UTF-16": GOOD.encode("utf-16"),
    "another column": b'{"question": "a"}\n',
    "a language that is a list": b'{"input": "a", "language": ["en"]}\n',
    "a language of half a character": b'{"input": "a", "language": "\\ud800"}\n',
    "infinite": b'{"input": Infinity}\n',
    "braces": b'{"input": "{input} {0} {{}} {"}\n',
    "control characters": b'{"input": "\\u0000\\u001b[31m\\r\\n"}\n',
    "one row": GOOD.encode(),
    "one row many times": GOOD.encode() * 500,
    "a long row": json.dumps({"input": "word " * 200_000}).encode() + b"\n",
    "many columns": json.dumps({"input": "a"} | {f"c{number}": number for number in range(5000)}).encode() + b"\n",
    "an empty text": b'{"input": ""}\n',
    "no text": b'{"input": null}\n',
    "a table": b"input,language\nhello,en\n",
    "gzip": b"\x1f\x8b\x08\x00\x00",
    "without a line's end": GOOD.encode()[:-1],
}
"""The bytes of a source file. Each is tried alone and between good rows."""
