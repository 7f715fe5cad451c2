from __future__ import annotations

import base64
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from fmbench_lib.config import LoadedConfig, load_config
from fmbench_lib.config.redactor import Redactor
from fmbench_lib.config.secret_forms import REMOVED
from fmbench_lib.config.secrets import redactor_for, redactor_of_process

Load = Callable[..., LoadedConfig]

HIDDEN = ["hunter2secret", "hunter2option", "hunter2header", "hunter2apikey", "hunter2bearer", "hunter2trace",
          "hunter2list", "hunter2env", "hunter2aws", "hunter2property", "12345678"]  # fmt: skip


@pytest.fixture
def redactor(data: Path) -> Redactor:
    config = load_config(data / "custom_rest_secrets.yml").config
    environment = {
        "HF_TOKEN": "token from outside",
        "AWS_ACCESS_KEY_ID": "a key id of AWS",
        "HTTPS_PROXY": "http://me:proxy-password@proxy:3128",
        "SHORT_TOKEN": "abc",
        "PWD": str(data),
        "LANG": "en_US.UTF-8",
    }
    return redactor_for(config, {"gate_token": 'quoted"gate', "results_dir": "somewhere"}, environment)


@pytest.mark.parametrize("secret", [*HIDDEN, "token from outside", "a key id of AWS", "proxy-password", 'quoted"gate'])
def test_a_runs_secrets_are_removed_where_nothing_marks_them(redactor: Redactor, secret: str) -> None:
    assert redactor(f"denied: <{secret}>") == f"denied: <{REMOVED}>"


@pytest.mark.parametrize(
    ("auth", "sent"),
    [
        ("{username: me, password: hunter2}", "Basic bWU6aHVudGVyMg=="),
        ("[me, hunter2]", "Basic bWU6aHVudGVyMg=="),
        ("Token hunter2hunter2", "Token hunter2hunter2"),
        ("hunter2hunter2", "hunter2hunter2"),
    ],
)
def test_authorization_is_redacted_in_its_wire_form(minimal: str, load: Load, auth: str, sent: str) -> None:
    spec = f"  protocol: rest\n  inference_spec: {{auth: {auth}}}\n"
    found = redactor_for(load(minimal.rstrip("\n") + "\n" + spec).config, environment={})
    word = sent.rpartition(" ")[2]
    for echoed in (sent, word, word.replace("=", "%3D")):
        assert "hunter2" not in found.without_known(echoed)
        assert found.without_known(f"<{echoed}>") == f"<{REMOVED}>"


def test_secrets_are_removed_as_json_and_addresses_spell_them(redactor: Redactor) -> None:
    assert redactor.without_known(r'{"x": "quoted\"gate"}') == f'{{"x": "{REMOVED}"}}'
    assert redactor.without_known("?x=token%20from%20outside&y=1") == f"?x={REMOVED}&y=1"


def test_what_an_address_spells_with_percent_is_found_as_it_is_meant() -> None:
    environment = {
        "HTTPS_PROXY": "http://user:Quux%25info%2F77@h:1",
        "BACKEND": "http://h/?api_key=Frobnitz%2199%26z%3D4",
        "OTHER": "http://h/?api_key=Wibble+Wobble",
    }
    found = redactor_of_process(environment.items())
    for secret in ("Quux%info/77", "Frobnitz!99&z=4", "Wibble Wobble", "Frobnitz%2199%26z%3D4"):
        assert found.without_known(f"<{secret}>") == f"<{REMOVED}>"
    basic = base64.b64encode(b"user:Quux%info/77").decode()
    assert found.without_known(basic).startswith(REMOVED)  # all but the letter that it shares with what follows
    assert len(found.without_known(basic)) <= len(REMOVED) + 2


def test_innocent_text_stays(redactor: Redactor, data: Path) -> None:
    text = f"results in {data} and somewhere, application/json, max_tokens=32, en_US.UTF-8, abc, tiny, <|end|>, 4096"
    assert redactor(text) == text


def test_without_known_removes_only_known_secrets(redactor: Redactor) -> None:
    assert redactor.without_known("api_key=unknown12345") == "api_key=unknown12345"
    assert redactor("api_key=unknown12345") == f"api_key={REMOVED}"


def test_it_goes_to_other_processes(redactor: Redactor) -> None:
    assert pickle.loads(pickle.dumps(redactor)) == redactor


def test_the_longest_is_taken_out_whole() -> None:
    assert Redactor(("secretsecret-and-more", "secretsecret"))("x secretsecret-and-more y") == f"x {REMOVED} y"


def test_variables_that_the_config_names_hold_secrets(load: Load, minimal: str) -> None:
    parameters = "{user: 'from $PLACE or ${OTHER}', token_env: THIRD}"
    spec = f"  api_key_env: BACKEND_ACCESS\n  inference_spec: {{parameters: {parameters}}}\n"
    names = ("BACKEND_ACCESS", "PLACE", "OTHER", "THIRD", "FOURTH")
    environment = {name: f"value-of-{name.lower()}" for name in names} | {"HOME": "/nowhere/at/all"}
    found = redactor_for(load(minimal.rstrip("\n") + "\n" + spec).config, environment=environment)
    for name in names[:-1]:
        assert found(environment[name]) == REMOVED
    assert found("value-of-fourth in /nowhere/at/all") == "value-of-fourth in /nowhere/at/all"


@pytest.mark.parametrize(
    "name",
    ["A_KEY", "A_TOKEN", "SECRET_A", "A_PASS", "MY_PWD", "A_CRED", "A_PAT", "A_JWT", "APIKEY", "KEY", "a_key"],
)
def test_variables_named_like_secrets(load: Load, minimal: str, name: str) -> None:
    assert redactor_for(load(minimal).config, environment={name: "some value"})("<some value>") == f"<{REMOVED}>"


def test_what_is_printed_before_a_config_is_known_is_cleaned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "hunter2hunter2")
    found = redactor_of_process([("gate_token", "plumKestrel42"), ("model", "org/model")])
    assert found("plumKestrel42 hunter2hunter2 org/model") == f"{REMOVED} {REMOVED} org/model"
