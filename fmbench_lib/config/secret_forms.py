"""What gives a secret away in a text: its form, or the name before it.

Every pattern takes time linear in the text: what it begins with can begin at few positions only, and what follows is
consumed once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

from fmbench_lib.config.secret_names import is_secret

REMOVED = "<removed>"

Span: TypeAlias = tuple[int, int]
"""Where a secret begins and ends in a text."""

_BEGINS = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt])|(?<=%[0-9A-Fa-f][0-9A-Fa-f]))"
"""Not within a word, but for the letters of an escaped line break or character."""

_KEY = re.compile(
    _BEGINS + r"(?:hf_[A-Za-z0-9]{16,}|sk[-_][A-Za-z0-9_\-]{16,}|gsk_[A-Za-z0-9]{16,}|gh[pousr]_[A-Za-z0-9]{16,}"
    r"|github_pat_\w{16,}|gl(?:pat|dt|rt|cbt|ptt)-[\w\-.]{16,}|(?:AKIA|ASIA)[0-9A-Z]{16,}|xox[abeoprs]-[\w\-]{10,}"
    r"|(?:nvapi|xai|csk|pplx|pypi)-[\w\-]{16,}|(?:npm|r8|fw|whsec|shpat)_[A-Za-z0-9]{16,}|do[opr]_v1_[0-9a-f]{16,}"
    r"|AIza[\w\-]{30,}|ya29\.[\w\-]{16,}|eyJ(?:hbGci|0eXAi|raWQi|lbmMi|jdHki)[\w\-]{8,}(?:\.[\w\-]*)*|(?<![\w\-])eyJ[\w\-]{8,}\.[\w\-]{8,}(?:\.[\w\-]*)*)"
)
"""API keys: Hugging Face, OpenAI and those like it, Groq, GitHub, GitLab, AWS, Slack, NVIDIA, Google and others; JSON
web tokens by the first key of their header (`alg`, `typ`, …) or their parts: any JSON in Base64 begins with `eyJ`."""

_PREFIXES = (
    ("_", ("hf_", "sk_", "gsk_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "npm_", "r8_", "fw_", "whsec_",
           "shpat_", "dop_v1_", "dor_v1_", "doo_v1_")),
    ("-", ("sk-", "glpat-", "gldt-", "glrt-", "glcbt-", "glptt-", "nvapi-", "xai-", "csk-", "pplx-", "pypi-")),
    ("", ("AKIA", "ASIA", "xox", "AIza", "ya29.", "eyJ")),
)  # fmt: skip
"""What these keys begin with, by a mark that it has. Most texts have none of them, which is seen sooner than that
nothing matches."""

_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?:[^-]|-(?!----))*+(?:-----END [A-Z0-9 ]*-----)?"
)
_SCHEME = re.compile(
    r"\b(?:(?:Bearer|BEARER)(?=\s+\S)|bearer(?=\s+\S{12})|Basic(?=\s+(?:[A-Za-z]*[0-9+/=]|[A-Za-z]+[A-Z])))\s++"
    r"(?P<value>[^\s\"'\\<>,;]++)"
)
_IN_ADDRESS = re.compile(r"(?<=://)(?P<value>[^/\s@\"']++)(?=@)")
_IN_IMAGE = re.compile(
    r"(?<![\w.+\-/:@%])[\w.+\-]{1,100}:(?P<value>[^\s/@:\"']{1,200})@(?!sha(?:256|512):)"
    r"[\w\-]{1,100}(?:\.[\w\-]{1,100}){0,10}(?::\d{1,5})?/"
)
"""A password before an address without a scheme, `user:password@registry.example.com/image`; a digest is none."""

_IN_QUERY = re.compile(r"[?&](?:key|sig|code|subscription-key|[\w.\-]*[_\-]key)=(?P<value>[^\s&#\"'\\]++)", re.I)
_NAMED = re.compile(
    r"""(?<![\w.\-])(?P<name>[\w.\-]++)(?P<sign>\\*["']?\s*+(?:=>?|%3[dD]|:(?!//))\s*+)"""
    r"""(?:![\w!]{0,40}\s++)?(?:(?:[\w.]{0,40}[(\[]\s*+)?[bBrRuUfF]{0,2}(?=\\*["']))?(?P<quote>\\*["'])?"""
)
"""Before the quote there may be a tag of YAML, a call or list, and what makes a string one of bytes:
`key: !!str x`, `key=SecretStr('x')`, `{b'key': b'x'}`."""

_TAGGED = re.compile(r"<(?P<name>[\w.\-:]{1,60})>(?P<value>[^<>]++)")
"""An element of XML, `<SessionToken>…</SessionToken>`."""

_OPTION = re.compile(r"""(?<![\w\-])(?P<name>--?[A-Za-z][\w\-]*+)\s++(?P<quote>\\*["'])?(?=[^\s"'\-])""")
_VALUE = re.compile(r"""(?:(?:Bearer|Basic|Token|Negotiate|Digest)\s++)?[^\s"'&,;]++""", re.I)
_QUOTED = {quote: re.compile(rf"(?:[^{quote}\\\n]|\\[^\n])*+") for quote in "\"'"}
_PLAIN_VALUE = re.compile(
    r"[-+]?\d{1,6}(?:\.\d*)?(?:[eE][-+]?\d+)?[)\]}]*|(?:true|false|yes|no|on|off|null|none)[)\]}]*|<[^<>]*>|\[[A-Z/_]+\]",
    re.I,
)
"""No secrets: short numbers, switches, and what stands for a piece of text, such as `<|end|>`."""


def is_plain(value: object) -> bool:
    """Whether a value is none that anyone keeps secret: nothing, a switch, a short number, a special token."""
    return value is None or value == "" or _PLAIN_VALUE.fullmatch(str(value)) is not None


def values_of_secrets(value: Any, *, inside: bool = False) -> Iterator[str]:
    """The values below names of secrets in mappings and lists, such as a config that is not valid yet."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from values_of_secrets(item, inside=inside or key == "headers" or is_secret(str(key)))
    elif isinstance(value, list):
        for item in value:
            yield from values_of_secrets(item, inside=inside)
    elif inside and not is_plain(value):
        yield str(value)


def without_secrets(text: str) -> str:
    """The text with everything that looks like a secret replaced by `<removed>`."""
    return replaced(text, [*spans_of_forms(text), *spans_of_names(text)])


def spans_of_forms(text: str) -> Iterator[Span]:
    """Where the text has what is a secret by its form: API keys, private keys, `Bearer …`, passwords in addresses."""
    if "-----BEGIN" in text:
        yield from (match.span() for match in _PRIVATE_KEY.finditer(text))
    if any(mark in text and any(map(text.__contains__, prefixes)) for mark, prefixes in _PREFIXES):
        yield from (match.span() for match in _KEY.finditer(text))
    patterns = [_SCHEME] if any(word in text for word in ("earer", "EARER", "Basic")) else []
    patterns += [_IN_ADDRESS, _IN_IMAGE] if "@" in text else []
    for pattern in patterns:
        yield from (match.span("value") for match in pattern.finditer(text))


def spans_of_names(text: str) -> Iterator[Span]:
    """Where the text has a value after the name of a secret: `HF_TOKEN=…`, `"password": "…"`, `--api-key …`."""
    if "=" in text:
        yield from (match.span("value") for match in _IN_QUERY.finditer(text))
    if "</" in text:
        tagged = (match for match in _TAGGED.finditer(text) if is_secret(match["name"]))
        yield from (match.span("value") for match in tagged if not is_plain(match["value"].strip()))
    patterns = [_NAMED] if "=" in text or ":" in text or "%3" in text else []
    is_command = "-" in text and len(text.split(None, 1)) > 1
    for pattern in [*patterns, _OPTION] if is_command else patterns:
        found = 0
        for match in pattern.finditer(text):
            if match.start() >= found and is_secret(match["name"]):  # within a value there is nothing more to find
                start, end = _value_span(text, match)
                if start < end:
                    found = end
                    yield start, end


def _value_span(text: str, match: re.Match[str]) -> Span:
    """Where the value after a name is; empty where it is no secret."""
    start = match.end()
    quoted = _QUOTED[match["quote"]].match(text, start) if match["quote"] in _QUOTED else None
    if quoted is not None:
        end = quoted.end()
    else:
        value = _VALUE.match(text, start)
        end = start if value is None else value.end()
        while end > start and text[end - 1] == "\\":
            end -= 1
    value_text = text[start:end]
    return (start, start) if value_text.startswith(REMOVED) or is_plain(value_text) else (start, end)


def replaced(text: str, spans: Iterable[Span], substitute: Callable[[int], str] = lambda _: REMOVED) -> str:
    """The text with what is at `spans`, which may overlap, replaced; `substitute` is given the length of what was."""
    pieces, position = [], 0
    for start, end in _merged(spans):
        pieces += [text[position:start], substitute(end - start)]
        position = end
    if not pieces:
        return text
    return "".join((*pieces, text[position:]))


def _merged(spans: Iterable[Span]) -> Iterator[Span]:
    current: Span | None = None
    for start, end in sorted(spans):
        if current is None or start > current[1] or (start == current[1] and start != current[0]):
            if current is not None:
                yield current
            current = (start, end)
        else:
            current = (current[0], max(current[1], end))
    if current is not None:
        yield current
