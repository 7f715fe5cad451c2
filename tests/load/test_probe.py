"""The one request that an endpoint must answer, where it must be signed."""

from __future__ import annotations

from pathlib import Path

import pytest

from fmbench_lib.aws.addresses import model_url
from fmbench_lib.aws.signing import Signing
from fmbench_lib.emulator import Behaviour, Constant, Tls, launch
from fmbench_lib.errors import CredentialsError, EndpointError
from fmbench_lib.load.probe import probe
from fmbench_lib.predictors.bedrock import ConversePredictor
from fmbench_lib.predictors.openai import OpenAiPredictor

BEHAVIOUR = Behaviour(ttft=Constant(0.001), itl=Constant(0.001), tokens=Constant(2))


def test_it_is_signed_with_the_environments_credentials(aws_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with launch(BEHAVIOUR) as emulator:
        for name, value in emulator.aws_environment.items():
            monkeypatch.setenv(name, value)
        url = model_url("us.meta.llama3-1-8b-instruct-v1:0", "us-east-1")
        assert url == f"{emulator.base_url}/model/us.meta.llama3-1-8b-instruct-v1%3A0"
        codec = ConversePredictor(url, signing=Signing("bedrock", "us-east-1"))
        probe(codec)
        (entry,) = emulator.ledger()
        assert entry.outcome == "complete"
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
        with pytest.raises(EndpointError, match="InvalidSignatureException: The request signature we calculated"):
            probe(codec)
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        with pytest.raises(CredentialsError, match="AWS_ACCESS_KEY_ID"):
            probe(codec)


def test_a_certificate_is_checked_against_the_bundle_that_is_given() -> None:
    files = Path(__file__).parents[1] / "emulator" / "tls"
    with launch(BEHAVIOUR, tls=Tls(files / "certificate.pem", files / "key.pem")) as emulator:
        codec = OpenAiPredictor(emulator.url)
        probe(codec, str(files / "certificate.pem"))
        with pytest.raises(EndpointError, match="certificate"):
            probe(codec)


@pytest.mark.parametrize(
    ("path", "name"), [("/v1/messages", "Anthropic's Messages API"), ("/v1/responses/", "the Responses API")]
)
def test_the_path_of_another_protocol_is_refused_with_what_to_write(path: str, name: str) -> None:
    with launch(BEHAVIOUR) as emulator:
        with pytest.raises(EndpointError) as refused:
            probe(OpenAiPredictor(emulator.base_url + path))
        assert emulator.ledger() == []
    assert f"{path.rstrip('/')} is the path of {name}, which protocol openai does not speak" in str(refused.value)
    assert "write protocol: rest with a template for it in inference_spec.rest" in str(refused.value)
