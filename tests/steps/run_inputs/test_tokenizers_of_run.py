"""Which tokenizer an experiment gets: its own or an error, else the nearest that can be had, else an estimate."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from fmbench_lib.config import parse_config
from fmbench_lib.data import tokenizers as data_tokenizers
from fmbench_lib.errors import TokenizerError
from fmbench_lib.models.cache import ModelFileError
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.run_inputs import tokenizers_of_run
from fmbench_lib.steps.run_inputs.tokenizers_of_run import choose_tokenizer, tokenizer_of
from fmbench_lib.workspace import Workspace

CONFIG = """
general: {name: chosen}
s3_read_data: {tokenizer_prefix: tokenizer, source_data_files: [rows.jsonl], s3_or_local_file_system: local}
datasets: {prompt_template_keys: [input], filters: [{payload_file: p.jsonl, max_length_in_tokens: 100}]}
experiments:
- {name: one, platform: endpoint, protocol: openai, ep_name: "http://x/v1/chat/completions", payload_files: [p.jsonl],
   concurrency_levels: [1], instance_type: m, EXTRA}
"""


def engine(word: str) -> Tokenizer:
    made = Tokenizer(models.WordLevel({"[UNK]": 0, word: 1}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return made


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """The Hub's models with their tokenizer; any other is out of reach."""
    known: dict[str, Path] = {}

    def hub_file(repo: str, name: str, token: str | None) -> Path:
        if repo not in known:
            raise ModelFileError(f"cannot download {repo}: huggingface.co cannot be reached from here")
        return known[repo]

    monkeypatch.setattr(data_tokenizers, "hub_file", hub_file)
    return known


def run(tmp_path: Path, extra: str = "model_id: org/model") -> Run:
    loaded = parse_config(CONFIG.replace("EXTRA", extra), path=tmp_path / "config.yml")
    return Run(loaded, Workspace(tmp_path / "run"), local_only=True)


def chosen(tmp_path: Path, extra: str = "model_id: org/model") -> tuple[str, str]:
    made = run(tmp_path, extra)
    found = choose_tokenizer(made, made.config.experiments[0])
    return found.tokenizer.name, found.notice


def test_the_files_then_the_id_then_the_model_then_words(tmp_path: Path, hub: dict[str, Path]) -> None:
    extra = "model_id: org/model, hf_tokenizer_model_id: org/named"
    name, notice = chosen(tmp_path, extra)
    assert name == "words"
    assert notice.startswith(
        "tokens are estimated, 1,000 for 750 words, as one has no tokenizer that can be loaded: tokenizer org/named: "
    )
    assert "; tokenizer org/model: " in notice
    file = tmp_path / "tokenizer.json"
    engine("a").save(str(file))
    hub["org/model"] = file
    assert chosen(tmp_path, extra) == ("org/model", "")
    hub["org/named"] = file
    assert chosen(tmp_path, extra) == ("org/named", "")
    (tmp_path / "tokenizer").mkdir()
    assert chosen(tmp_path, extra) == ("org/named", "")  # an empty folder is no folder
    engine("a").save(str(tmp_path / "tokenizer" / "tokenizer.json"))
    assert chosen(tmp_path, extra) == ("tokenizer", "")


@pytest.mark.parametrize("model", ["meta-textgeneration-llama-3-8b", "anthropic.claude-3-sonnet-20240229-v1:0"])
def test_a_model_that_is_not_the_hubs_is_not_asked_of_it(tmp_path: Path, hub: dict[str, Path], model: str) -> None:
    name, notice = chosen(tmp_path, f'model_id: "{model}"')
    assert name == "words"
    assert notice.endswith("write `tokenizer:` with a folder, a Hugging Face id or a .gguf file")


def test_a_tokenizer_that_the_experiment_names_itself_is_that_one_or_an_error(
    tmp_path: Path, hub: dict[str, Path]
) -> None:
    made = run(tmp_path, "model_id: org/model, tokenizer: org/other")
    with pytest.raises(TokenizerError, match="org/other"):
        choose_tokenizer(made, made.config.experiments[0])
    assert chosen(tmp_path, "tokenizer: words") == ("words", "")


def test_the_folder_of_everything_that_is_read_comes_first(tmp_path: Path, hub: dict[str, Path]) -> None:
    for folder, word in ((tmp_path / "fmbench-read" / "tokenizer", "read"), (tmp_path / "tokenizer", "beside")):
        folder.mkdir(parents=True)
        engine(word).save(str(folder / "tokenizer.json"))
    text = CONFIG.replace("EXTRA", "model_id: org/model")
    standard = {"read_tmpdir": str(tmp_path / "fmbench-read")}
    loaded = parse_config(text, path=tmp_path / "config.yml", standard=standard)
    made = Run(loaded, Workspace(tmp_path / "run"), local_only=True)
    vocabulary: dict[str, Any] = choose_tokenizer(made, made.config.experiments[0]).tokenizer._engine.get_vocab()  # type: ignore[attr-defined]
    assert "read" in vocabulary


def test_the_server_counts_where_it_can_but_never_answers(
    tmp_path: Path, hub: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def served(url: str, model: str | None, headers: dict[str, str]) -> Any:
        asked.append((url, model))
        return SimpleNamespace(name="http://x/tokenize (vLLM)", is_estimate=False)

    monkeypatch.setattr(tokenizers_of_run, "server_tokenizer", served)
    made = run(tmp_path)
    found = choose_tokenizer(made, made.config.experiments[0])
    assert found.tokenizer.name == "http://x/tokenize (vLLM)"
    assert found.notice == "tokens of one are counted by the server itself, http://x/tokenize (vLLM)"
    assert tokenizer_of(made, made.config.experiments[0]).name == "words"
    assert asked == [("http://x/v1/chat/completions", "org/model")]
