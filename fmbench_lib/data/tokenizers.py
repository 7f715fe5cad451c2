"""Token counts with a model's own tokenizer, without the model's runtime.

Counts are of the text alone: neither a beginning-of-text token nor a chat template is added, since a server's own count
says best what these came to.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from fmbench_lib.errors import TokenizerError
from fmbench_lib.models.cache import ModelFileError
from fmbench_lib.models.embedded import EMBEDDED_MODEL, model_file
from fmbench_lib.models.gguf import gguf_metadata
from fmbench_lib.models.hub import first_line, hub_file

if TYPE_CHECKING:
    import tokenizers

_FILE = "tokenizer.json"
_WORDS = "words"
_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


class Tokenizer(Protocol):
    """Counts tokens. `is_estimate` is True where no model's tokenizer is behind the counts."""

    @property
    def name(self) -> str: ...
    @property
    def is_estimate(self) -> bool: ...

    def count(self, text: str) -> int:
        """The number of tokens of a text."""
        ...

    def count_many(self, texts: Sequence[str]) -> list[int]:
        """The same for several texts, faster than one by one."""
        ...


class WordTokenizer:
    """750 words are 1000 tokens, rounded to the nearest: an estimate, used only where the config asks for it."""

    name = _WORDS
    is_estimate = True

    def count(self, text: str) -> int:
        return (len(text.split()) * 4 + 1) // 3

    def count_many(self, texts: Sequence[str]) -> list[int]:
        return [self.count(text) for text in texts]


class ModelTokenizer:
    """A model's own tokenizer, as the `tokenizers` library runs it."""

    is_estimate = False

    def __init__(self, name: str, engine: tokenizers.Tokenizer) -> None:
        engine.no_truncation()  # a tokenizer.json may ask for either, which would make the counts wrong
        engine.no_padding()
        self.name = name
        self._engine = engine

    def count(self, text: str) -> int:
        return len(self._engine.encode(text, add_special_tokens=False).ids)

    def count_many(self, texts: Sequence[str]) -> list[int]:
        return [len(found.ids) for found in self._engine.encode_batch_fast(list(texts), add_special_tokens=False)]


def load_tokenizer(spec: str, *, folders: Sequence[Path], place: Path | None = None) -> Tokenizer:
    """The tokenizer that a config names.

    `spec` is a folder with a tokenizer.json (relative to one of `folders`), a .gguf file, the embedded model's name, a
    Hugging Face id (`org/model`), or `words`. A folder of that name goes before a Hugging Face id. `place` is its file
    where that has been fetched already.

    Raises TokenizerError, one line that says what to do, when it cannot be had.
    """
    if spec == _WORDS:
        return WordTokenizer()
    if place is not None and place.suffix != ".gguf":
        return ModelTokenizer(spec, _read(spec, place))
    if spec == EMBEDDED_MODEL or spec.endswith(".gguf"):
        try:
            return ModelTokenizer(spec, _from_gguf(place or model_file(spec, folders)))
        except ModelFileError as error:
            raise TokenizerError(f"tokenizer {spec}: {error}") from error
    places = [folder / Path(spec).expanduser() for folder in (*folders, Path.cwd())]
    for place in places:
        if place.is_dir() or place.is_file():
            return ModelTokenizer(spec, _from_folder(spec, place))
    looked = ", ".join(dict.fromkeys(str(folder) for folder in (*folders, Path.cwd())))
    if not _HUB_ID.fullmatch(spec):
        raise TokenizerError(
            f"tokenizer {spec} is no folder in {looked}, no .gguf file and no Hugging Face id; correct it, or write "
            f"{_WORDS} for an estimate"
        )
    try:
        return ModelTokenizer(spec, _read(spec, hub_file(spec, _FILE)))
    except ModelFileError as error:
        raise TokenizerError(
            f"tokenizer {spec} is no folder in {looked}, and {error}; write a folder with a {_FILE}, or "
            f"{_WORDS} for an estimate (for a gated model set HF_TOKEN)"
        ) from error


def _from_folder(spec: str, place: Path) -> tokenizers.Tokenizer:
    path = place / _FILE if place.is_dir() else place
    if not path.is_file():
        raise TokenizerError(
            f"tokenizer {spec}: the folder {place} has no {_FILE}; save one there with transformers: "
            "AutoTokenizer.from_pretrained(model).save_pretrained(folder)"
        )
    return _read(spec, path)


def _read(spec: str, path: Path) -> tokenizers.Tokenizer:
    import tokenizers

    try:
        return tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises a bare Exception
        raise TokenizerError(f"tokenizer {spec}: {path} cannot be read: {first_line(error)}") from error


@dataclass(frozen=True, slots=True)
class _Cutting:
    """How a text is cut into pieces before merging, in the order of the cuts.

    With `whole_first` a piece that is a token is taken as it is, also where no merges lead there.
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
_CUTTINGS = {
    "gpt-2": _Cutting((_GPT2,)),
    "smollm": _Cutting((r"\p{N}", _GPT2)),
    "llama-bpe": _Cutting((_WITH_DIGITS % "{1,3}",), whole_first=True),
    "qwen2": _Cutting((_WITH_DIGITS % "",)),
}
_CONTROL, _USER_DEFINED = 3, 4  # token types of GGUF


def _from_gguf(path: Path) -> tokenizers.Tokenizer:
    """The byte-level BPE that a GGUF file describes.

    Raises TokenizerError for another kind of tokenizer, and for a way of cutting that is not known here.
    """
    facts = gguf_metadata(path, _GGUF_KEYS.values())
    model, cuts = (facts.get(_GGUF_KEYS[key]) for key in ("model", "pre"))
    if model != "gpt2" or cuts not in _CUTTINGS:
        kind = f"of kind {model!r}" if model != "gpt2" else f"cut by {cuts!r}"
        raise TokenizerError(
            f"tokenizer {path}: tokens {kind} cannot be counted from a GGUF file ({', '.join(_CUTTINGS)} can); write "
            f"`tokenizer:` with the Hugging Face id of the model, or a folder with its {_FILE}"
        )
    try:
        tokens, merges, kinds = (facts[_GGUF_KEYS[key]] for key in ("tokens", "merges", "kinds"))
    except KeyError as error:
        raise TokenizerError(f"tokenizer {path}: the file has no {error.args[0]}") from error
    return _build(tokens, merges, kinds, _CUTTINGS[cuts])


_GGUF_KEYS = {
    "model": "tokenizer.ggml.model",
    "pre": "tokenizer.ggml.pre",
    "tokens": "tokenizer.ggml.tokens",
    "merges": "tokenizer.ggml.merges",
    "kinds": "tokenizer.ggml.token_type",
}


def _build(tokens: list[str], merges: list[str], kinds: list[int], cutting: _Cutting) -> tokenizers.Tokenizer:
    from tokenizers import AddedToken, Regex, models, pre_tokenizers
    from tokenizers import Tokenizer as Engine

    vocabulary = {token: number for number, token in enumerate(tokens)}
    pairs: Any = [tuple(merge.split(" ", 1)) for merge in merges]
    engine = Engine(models.BPE(vocabulary, pairs, ignore_merges=cutting.whole_first))
    splits = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in cutting.patterns]
    bytes_only = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    engine.pre_tokenizer = pre_tokenizers.Sequence([*splits, bytes_only])
    whole = [token for token, kind in zip(tokens, kinds, strict=True) if kind in (_CONTROL, _USER_DEFINED)]
    engine.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in whole])
    return engine
