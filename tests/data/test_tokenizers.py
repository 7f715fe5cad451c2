"""Token counts: the embedded model's are those of its own server, and nothing is chosen in silence."""

from __future__ import annotations

import pickle
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as Engine
from tokenizers import models, pre_tokenizers, processors

from fmbench_lib.data import tokenizers
from fmbench_lib.data.tokenizers import load_tokenizer
from fmbench_lib.errors import TokenizerError
from fmbench_lib.models.cache import ModelFileError
from fmbench_lib.models.embedded import EMBEDDED_MODEL

VARIED = [
    "",
    " ",
    "Hello, world!",
    "   leading\n\n\n\ntrailing   \n  ",
    "a\r\nb\r\n\r\n c\t\td",
    "1234567890 12 1 0x1F 3.14e-10 ½ ² Ⅷ ٣٤",
    "don't I'LL we've it's 'S x'd",
    "naïve café — “quotes” … e\u0301 a\u0308",
    "日本語のテキスト 中文123 Привет γειά שלום العربية हिन्दी ไทย",
    "emoji 👩\u200d👩\u200d👧 🇩🇪 \u200b\u00a0\u3000\u2028 zero",
    "<|im_start|>user\nhi<|im_end|> <repo_name>",
    "def f(x_1):\n\treturn {**x, 'k': [x_1**2]}  # $$$ ###\n```\n",
    "x" * 300,
    Path(tokenizers.__file__).read_text(encoding="utf-8"),
]


@pytest.fixture(scope="module")
def server_tokens(ask_server: Any) -> Any:
    """What the embedded model's own server makes of a text."""

    def tokens(text: str) -> list[int]:
        made: list[int] = ask_server("/tokenize", {"content": text, "add_special": False})["tokens"]
        return made

    return tokens


@pytest.fixture(scope="module")
def embedded() -> tokenizers.Tokenizer:
    return load_tokenizer(EMBEDDED_MODEL, folders=[])


def test_varied_text_is_counted_as_the_models_server_does(server_tokens: Any, embedded: tokenizers.Tokenizer) -> None:
    expected = [len(server_tokens(text)) for text in VARIED]
    assert [embedded.count(text) for text in VARIED] == expected
    assert embedded.count_many(VARIED) == expected
    assert not embedded.is_estimate
    assert embedded.name == EMBEDDED_MODEL


# Code points that are no text (control, unassigned, private), of whose bytes the vocabulary lacks some, are left out.
ANY_CHARACTER = st.characters(exclude_categories=["Cc", "Cn", "Co", "Cs"])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.one_of(st.sampled_from("ab Z09 \n\r\t.,;'\"-_<>|"), ANY_CHARACTER)))
def test_any_text_is_counted_as_the_models_server_does(
    server_tokens: Any, embedded: tokenizers.Tokenizer, text: str
) -> None:
    assert embedded.count(text) == len(server_tokens(text))


def test_a_tokenizer_can_be_pickled(embedded: tokenizers.Tokenizer) -> None:
    assert pickle.loads(pickle.dumps(embedded)).count("Hello, world!") == embedded.count("Hello, world!")


# -- folders ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tokenizer of whole words that would add a token, cut at three and fill up to ten, were it let."""
    engine = Engine(models.WordLevel({"[UNK]": 0, "<s>": 1, "a": 2}, unk_token="[UNK]"))
    engine.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    engine.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    engine.enable_truncation(3)
    engine.enable_padding(length=10)
    (tmp_path / "my_tokenizer").mkdir()
    engine.save(str(tmp_path / "my_tokenizer" / "tokenizer.json"))
    return tmp_path


def test_a_tokenizer_of_a_folder_counts_only_the_text(folder: Path) -> None:
    found = load_tokenizer("my_tokenizer", folders=[folder / "none", folder])
    assert found.name == "my_tokenizer"
    assert found.count("a b c d e") == 5
    assert found.count_many(["a", "a b c d", ""]) == [1, 4, 0]
    assert load_tokenizer(str(folder / "my_tokenizer" / "tokenizer.json"), folders=[]).count("a b") == 2


def test_a_folder_without_tokenizer_json_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "vocab.txt").touch()
    with pytest.raises(TokenizerError, match=r"has no tokenizer\.json; .* pip install 'fmbench-lib\[transformers\]'"):
        load_tokenizer("mine", folders=[tmp_path])
    (tmp_path / "mine" / "tokenizer.json").write_text("{}")
    with pytest.raises(TokenizerError, match=r"tokenizer\.json cannot be read"):
        load_tokenizer("mine", folders=[tmp_path])


def test_an_empty_folder_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "not an id").mkdir()
    with pytest.raises(TokenizerError, match="no folder of that name"):
        load_tokenizer("not an id", folders=[tmp_path])


# -- the hub ----------------------------------------------------------------------------------------------------------


def test_a_hugging_face_id_is_fetched(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str, str | None]] = []

    def hub_file(repo: str, name: str, token: str | None) -> Path:
        asked.append((repo, name, token))
        return folder / "my_tokenizer" / name

    monkeypatch.setattr(tokenizers, "hub_file", hub_file)
    assert load_tokenizer("org/model", folders=[], token="of-mine").count("a b") == 2
    assert asked == [("org/model", "tokenizer.json", "of-mine")]


def test_a_failed_fetch_lists_the_folders_that_were_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hub_file(repo: str, name: str, token: str | None) -> Path:
        raise ModelFileError(f"{repo}: huggingface.co cannot be reached from here")

    monkeypatch.setattr(tokenizers, "hub_file", hub_file)
    message = (
        rf"org/model: no folder of that name in {tmp_path}.* huggingface\.co cannot be reached from here; .* words"
    )
    with pytest.raises(TokenizerError, match=message):
        load_tokenizer("org/model", folders=[tmp_path])


@pytest.mark.parametrize("spec", ["two words", "/no/such/folder", "a/b/c"])
def test_a_name_of_no_known_form_is_refused_without_a_request(spec: str) -> None:
    with pytest.raises(TokenizerError, match=rf"{re.escape(spec)}: no folder .* nor a Hugging Face id"):
        load_tokenizer(spec, folders=[])


# -- other forms, which transformers reads -----------------------------------------------------------------------------


class SlowTokenizer:
    """A tokenizer as transformers has it where it is written in Python: two tokens for a word, and one at the start."""

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        return [0] * (add_special_tokens + 2 * len(text.split()))


@pytest.fixture
def requested(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A `transformers` library that can read anything but `broken`; the sources that it was asked for."""
    sources: list[str] = []

    def from_pretrained(source: str, *, trust_remote_code: bool, token: str | None) -> Any:
        assert not trust_remote_code
        sources.append(source)
        if source.endswith("broken"):
            raise ValueError("Unrecognized model\nin broken")
        return SlowTokenizer()

    library = SimpleNamespace(AutoTokenizer=SimpleNamespace(from_pretrained=from_pretrained))
    monkeypatch.setitem(sys.modules, "transformers", library)
    return sources


def test_a_folder_in_another_form_is_read_by_transformers(tmp_path: Path, requested: list[str]) -> None:
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow" / "vocab.txt").touch()
    tokenizer = load_tokenizer("slow", folders=[tmp_path])
    assert (tokenizer.count("a b"), tokenizer.count_many(["a", ""])) == (4, [2, 0])
    assert (tokenizer.name, tokenizer.is_estimate) == ("slow", False)
    assert requested == [str(tmp_path / "slow")]


def test_a_fast_tokenizer_of_transformers_runs_without_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine.from_file(str(folder / "my_tokenizer" / "tokenizer.json"))
    made = SimpleNamespace(from_pretrained=lambda *_, **__: SimpleNamespace(backend_tokenizer=engine))
    monkeypatch.setitem(sys.modules, "transformers", SimpleNamespace(AutoTokenizer=made))
    (tmp_path / "converted").mkdir()
    (tmp_path / "converted" / "vocab.txt").touch()
    assert load_tokenizer("converted", folders=[tmp_path]).count("a b c d e") == 5


def test_a_form_that_transformers_cannot_read_is_an_error_of_one_line(tmp_path: Path, requested: list[str]) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "vocab.txt").touch()
    with pytest.raises(TokenizerError, match=r"transformers cannot read it: Unrecognized model$"):
        load_tokenizer("broken", folders=[tmp_path])


@pytest.mark.parametrize(("missing", "read"), [(True, ["org/model"]), (False, [])])
def test_only_a_model_without_tokenizer_json_is_given_to_transformers(
    requested: list[str], monkeypatch: pytest.MonkeyPatch, missing: bool, read: list[str]
) -> None:
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    def hub_file(repo: str, name: str, token: str | None) -> Path:
        cause = EntryNotFoundError if missing else LocalEntryNotFoundError
        raise ModelFileError(f"{repo} could not be fetched") from cause.__new__(cause)

    monkeypatch.setattr(tokenizers, "hub_file", hub_file)
    if missing:
        assert load_tokenizer("org/model", folders=[]).count("a") == 2
    else:
        with pytest.raises(TokenizerError, match="could not be fetched"):
            load_tokenizer("org/model", folders=[])
    assert requested == read


# -- GGUF files -------------------------------------------------------------------------------------------------------


def facts(model: str = "gpt2", pre: str | None = "smollm", **changes: Any) -> dict[str, Any]:
    made = {
        "model": model,
        "pre": pre,
        "tokens": ["a", "b", "ab", "<s>"],
        "merges": ["a b"],
        "token_type": [1, 1, 1, 3],
    }
    return {f"tokenizer.ggml.{key}": value for key, value in {**made, **changes}.items() if value is not None}


@pytest.fixture
def gguf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Lets a file say these things of itself."""
    path = tmp_path / "model.gguf"
    path.touch()

    def says(**changes: Any) -> Path:
        monkeypatch.setattr(tokenizers, "gguf_metadata", lambda *_: facts(**changes))
        return path

    return says


def test_tokens_and_merges_come_from_the_file(gguf: Any) -> None:
    assert load_tokenizer(str(gguf()), folders=[]).count("abab<s>b") == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pre": "from-mars"}, "split by 'from-mars' cannot be counted"),
        ({"pre": None}, "split by None cannot be counted"),
        ({"model": "llama"}, "of kind 'llama' cannot be counted"),
        ({"merges": None}, r"has no tokenizer\.ggml\.merges"),
    ],
)
def test_an_unknown_kind_is_an_error(gguf: Any, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(TokenizerError, match=message):
        load_tokenizer(str(gguf(**changes)), folders=[])


@pytest.mark.parametrize(
    ("pre", "text", "pieces"),
    [
        ("smollm", "a12 b", ["a", "1", "2", "Ġb"]),
        ("gpt-2", "a12 b", ["a", "12", "Ġb"]),
        ("llama-bpe", "a1234\n\nb'S", ["a", "123", "4", "ĊĊ", "b", "'S"]),
        ("qwen2", "a12 (b\n", ["a", "1", "2", "Ġ(", "b", "Ċ"]),
    ],
)
def test_each_kind_splits_as_llama_cpp_does(pre: str, text: str, pieces: list[str]) -> None:
    made = tokenizers._build(["a"], [], [1], tokenizers._SPLITTINGS[pre])
    assert [piece for piece, _ in made.pre_tokenizer.pre_tokenize_str(text)] == pieces


def test_a_missing_file_is_a_tokenizer_error(tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match=r"tokenizer none\.gguf: .*does not exist"):
        load_tokenizer("none.gguf", folders=[tmp_path])


# -- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("words", "tokens"), [(0, 0), (1, 1), (2, 3), (3, 4), (750, 1000)])
def test_words_is_an_estimate(words: int, tokens: int) -> None:
    estimate = load_tokenizer("words", folders=[])
    text = " \n".join(["word"] * words)
    assert estimate.count(text) == tokens
    assert estimate.count_many([text, "a b c"]) == [tokens, 4]
    assert estimate.is_estimate
    assert estimate.name == "words"
