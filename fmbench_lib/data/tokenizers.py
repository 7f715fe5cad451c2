"""Token counts with a model's own tokenizer, without the model's runtime.

Only the text is counted: neither a beginning-of-text token nor a chat template is added. What those come to is best
taken from the server's own count.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from fmbench_lib.errors import TokenizerError
from fmbench_lib.host.paths import expanded
from fmbench_lib.models.cache import ModelFileError
from fmbench_lib.models.embedded import EMBEDDED_MODEL, model_file
from fmbench_lib.models.gguf import gguf_metadata
from fmbench_lib.models.hub import first_line, hub_file

if TYPE_CHECKING:
    import tokenizers

_FILE = "tokenizer.json"
WORDS = "words"
"""The name that asks for an estimate from words."""
_CHARACTERS = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]")
_MOST_CHARACTERS = 10
_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


class Tokenizer(Protocol):
    """Counts tokens."""

    @property
    def name(self) -> str:
        """What the report calls it: a folder, an id of the Hub, `words`."""
        ...

    @property
    def is_estimate(self) -> bool:
        """Whether its counts are not those of a model's tokenizer."""
        ...

    def count(self, text: str) -> int:
        """The number of tokens of a text, special tokens left out."""
        ...

    def count_many(self, texts: Sequence[str]) -> list[int]:
        """The number of tokens of each text; faster than one by one."""
        ...


class WordTokenizer:
    """Estimates 1000 tokens for 750 words, rounded; used only where the config says `words`.

    Chinese, Japanese and Korean have no spaces between words: each of their characters counts as a token. A text of
    long runs without white space has a token for ten characters at least.
    """

    name = WORDS
    is_estimate = True

    def count(self, text: str) -> int:
        """Four tokens for three words, rounded to the nearest whole number, and those of other writing."""
        single = 0
        if not text.isascii():
            text, single = _CHARACTERS.subn(" ", text)
        words = text.split()
        return single + max((len(words) * 4 + 1) // 3, sum(map(len, words)) // _MOST_CHARACTERS)

    def count_many(self, texts: Sequence[str]) -> list[int]:
        """The estimate of each text."""
        return [self.count(text) for text in texts]


class ModelTokenizer:
    """A model's own tokenizer, run by the `tokenizers` library."""

    is_estimate = False

    def __init__(self, name: str, engine: tokenizers.Tokenizer) -> None:
        engine.no_truncation()  # a tokenizer.json may ask for either, which would make the counts wrong
        engine.no_padding()
        self.name = name
        self._engine = engine

    def count(self, text: str) -> int:
        """The number of tokens, special tokens left out."""
        return len(self._engine.encode(text, add_special_tokens=False).ids)

    def count_many(self, texts: Sequence[str]) -> list[int]:
        """The number of tokens of each text; the library encodes them in parallel."""
        return [len(encoding.ids) for encoding in self._engine.encode_batch_fast(list(texts), add_special_tokens=False)]


class TransformersTokenizer:
    """A model's own tokenizer that only the `transformers` library can run, as it is written in Python."""

    is_estimate = False

    def __init__(self, name: str, engine: Any) -> None:
        self.name = name
        self._engine = engine

    def count(self, text: str) -> int:
        """The number of tokens, special tokens left out."""
        return len(self._engine.encode(text, add_special_tokens=False))

    def count_many(self, texts: Sequence[str]) -> list[int]:
        """The number of tokens of each text."""
        return [self.count(text) for text in texts]


def load_tokenizer(
    spec: str, *, folders: Sequence[Path], fetched: Path | None = None, token: str | None = None
) -> Tokenizer:
    """The tokenizer that a config names.

    `spec` is a folder (relative to one of `folders`), a .gguf file, the embedded model's name, a Hugging Face id
    (`org/model`), or `words`. A folder of that name takes precedence over a Hugging Face id. `fetched` is the
    tokenizer's file where it was fetched from a bucket, `token` a Hugging Face token for gated models, None for the
    environment's. An empty folder is no folder. A tokenizer without a tokenizer.json is read by the
    `transformers` library where that is installed.

    Raises TokenizerError, one line that says what to do, when it is not found or cannot be read.
    """
    if spec == WORDS:
        return WordTokenizer()
    if fetched is not None and fetched.suffix != ".gguf":
        return ModelTokenizer(spec, _read(spec, fetched))
    if spec == EMBEDDED_MODEL or spec.endswith(".gguf"):
        try:
            return ModelTokenizer(spec, _from_gguf(fetched or model_file(spec, folders)))
        except ModelFileError as error:
            raise TokenizerError(f"tokenizer {spec}: {error}") from error
    for path in (folder / expanded(spec) for folder in (*folders, Path.cwd())):
        if path.is_file() or (path.is_dir() and any(path.iterdir())):
            return _from_folder(spec, path)
    searched = ", ".join(dict.fromkeys(str(folder) for folder in (*folders, Path.cwd())))
    if not _HUB_ID.fullmatch(spec):
        raise TokenizerError(
            f"tokenizer {spec}: no folder of that name in {searched}, and it is neither a .gguf file nor a Hugging "
            f"Face id; correct it, or write {WORDS} for an estimate"
        )
    return _from_hub(spec, searched, token)


def token_before_text(path: Path) -> str:
    """The special token that a tokenizer.json puts before each text, as servers do; empty where it puts none.

    Raises TokenizerError where the file cannot be read.
    """
    engine = _read(str(path.parent), path)
    bare = len(engine.encode("a", add_special_tokens=False).ids)
    encoding = engine.encode("a", add_special_tokens=True)
    return encoding.tokens[0] if len(encoding.ids) > bare and encoding.special_tokens_mask[0] else ""


def _from_hub(spec: str, searched: str, token: str | None) -> Tokenizer:
    try:
        return ModelTokenizer(spec, _read(spec, hub_file(spec, _FILE, token)))
    except ModelFileError as error:
        if _is_absent(error):
            return _by_transformers(spec, spec, f"the Hugging Face model has no {_FILE}", token)
        raise TokenizerError(
            f"tokenizer {spec}: no folder of that name in {searched}, and {error}; write a folder with a {_FILE}, or "
            f"{WORDS} for an estimate (for a gated model set HF_TOKEN)"
        ) from error


def _is_absent(error: ModelFileError) -> bool:
    """Whether the Hub has the model but not the file, rather than being out of reach or refusing access."""
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    return isinstance(error.__cause__, EntryNotFoundError) and not isinstance(error.__cause__, LocalEntryNotFoundError)


def _from_folder(spec: str, path: Path) -> Tokenizer:
    file = path / _FILE if path.is_dir() else path
    if file.is_file():
        return ModelTokenizer(spec, _read(spec, file))
    return _by_transformers(spec, str(path), f"the folder {path} has no {_FILE}")


def _by_transformers(spec: str, source: str, reason: str, token: str | None = None) -> Tokenizer:
    """A tokenizer in another form than tokenizer.json, from a folder or the Hub; code that comes with it is not run."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # else it warns on import that PyTorch is missing
    try:
        transformers = import_module("transformers")
    except ImportError:
        raise TokenizerError(
            f"tokenizer {spec}: {reason}; install what reads other forms, pip install 'fmbench-lib[transformers]', or "
            f"write a folder that has one"
        ) from None
    try:
        engine = transformers.AutoTokenizer.from_pretrained(source, trust_remote_code=False, token=token)
    except Exception as error:  # it raises OSError, ValueError and its readers' own alike
        raise TokenizerError(
            f"tokenizer {spec}: {reason}, and transformers cannot read it: {first_line(error)}"
        ) from error
    converted = getattr(engine, "backend_tokenizer", None)
    if converted is not None:
        return ModelTokenizer(spec, converted)
    return TransformersTokenizer(spec, engine)


def _read(spec: str, path: Path) -> tokenizers.Tokenizer:
    import tokenizers

    try:
        return tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises a bare Exception
        raise TokenizerError(f"tokenizer {spec}: {path} cannot be read: {first_line(error)}") from error


@dataclass(frozen=True, slots=True)
class _Splitting:
    """How a text is split into pieces before merging, in the order of the patterns.

    With `whole_first` a piece that is a token is taken as it is, even where no merges lead to it.
    """

    patterns: tuple[str, ...]
    whole_first: bool = False


# By `tokenizer.ggml.pre`, from llm_tokenizer_bpe in llama.cpp's src/llama-vocab.cpp. Only kinds whose tokens were
# compared with those of its server are here.
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_WITH_DIGITS = (
    r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_SPLITTINGS = {
    "gpt-2": _Splitting((_GPT2,)),
    "smollm": _Splitting((r"\p{N}", _GPT2)),
    "llama-bpe": _Splitting((_WITH_DIGITS % "{1,3}",), whole_first=True),
    "qwen2": _Splitting((_WITH_DIGITS % "",)),
}
_CONTROL, _USER_DEFINED = 3, 4  # token types of GGUF


def _from_gguf(path: Path) -> tokenizers.Tokenizer:
    """The byte-level BPE that a GGUF file describes.

    Raises TokenizerError for another kind of tokenizer, and for a pre-tokenizer that is not in the table above.
    """
    facts = gguf_metadata(path, _GGUF_KEYS.values())
    model, split_kind = (facts.get(_GGUF_KEYS[key]) for key in ("model", "pre"))
    if model != "gpt2" or split_kind not in _SPLITTINGS:
        kind = f"of kind {model!r}" if model != "gpt2" else f"split by {split_kind!r}"
        raise TokenizerError(
            f"tokenizer {path}: tokens {kind} cannot be counted from a GGUF file ({', '.join(_SPLITTINGS)} can); write "
            f"`tokenizer:` with the Hugging Face id of the model, or a folder with its {_FILE}"
        )
    try:
        tokens, merges, kinds = (facts[_GGUF_KEYS[key]] for key in ("tokens", "merges", "kinds"))
    except KeyError as error:
        raise TokenizerError(f"tokenizer {path}: the file has no {error.args[0]}") from error
    return _build(tokens, merges, kinds, _SPLITTINGS[split_kind])


_GGUF_KEYS = {
    "model": "tokenizer.ggml.model",
    "pre": "tokenizer.ggml.pre",
    "tokens": "tokenizer.ggml.tokens",
    "merges": "tokenizer.ggml.merges",
    "kinds": "tokenizer.ggml.token_type",
}


def _build(tokens: list[str], merges: list[str], kinds: list[int], splitting: _Splitting) -> tokenizers.Tokenizer:
    from tokenizers import AddedToken, Regex, models, pre_tokenizers
    from tokenizers import Tokenizer as Engine

    vocabulary = {token: number for number, token in enumerate(tokens)}
    pairs: Any = [tuple(merge.split(" ", 1)) for merge in merges]
    engine = Engine(models.BPE(vocabulary, pairs, ignore_merges=splitting.whole_first))
    splits = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in splitting.patterns]
    bytes_only = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    engine.pre_tokenizer = pre_tokenizers.Sequence([*splits, bytes_only])
    special = [token for token, kind in zip(tokens, kinds, strict=True) if kind in (_CONTROL, _USER_DEFINED)]
    engine.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    return engine
