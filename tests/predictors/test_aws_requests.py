"""What SageMaker and Bedrock are asked, in every form, and what it is to be signed for."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.aws.signing import Signing
from fmbench_lib.config import Experiment
from fmbench_lib.errors import InputError
from fmbench_lib.load.sending.layout import write_requests
from fmbench_lib.predictors.base import HttpRequest
from fmbench_lib.predictors.bedrock import ConversePredictor
from fmbench_lib.predictors.bedrock_invoke import InvokeModelPredictor
from fmbench_lib.predictors.registry import predictor_for
from fmbench_lib.predictors.sagemaker import SageMakerPredictor

MakeExperiment = Callable[..., Experiment]

SAGEMAKER = "https://runtime.sagemaker.eu-west-1.amazonaws.com/endpoints/mine/invocations"
MODEL = "https://bedrock-runtime.us-east-1.amazonaws.com/model/"
CLAUDE = MODEL + "anthropic.claude-3-haiku-20240307-v1%3A0"
PNG = "iVBORw0KGgo="
PICTURE = f"What is this? data:image/png;base64,{PNG} Be brief."
PARAMETERS = {"temperature": 0.5, "max_tokens": 9, "top_p": 0.9}

pytestmark = pytest.mark.usefixtures("aws_environment")


def body(request: HttpRequest) -> Any:
    return json.loads(request.body)


def wire(request: HttpRequest, folder: Path) -> bytes:
    file = BytesIO()
    write_requests(file, folder / "index", [request])
    return file.getvalue()


class TestOnTheWire:
    """Whole requests, but for what is added when they are sent: Host, the id, the signature."""

    def test_converse(self, tmp_path: Path) -> None:
        codec = ConversePredictor(CLAUDE, {"max_tokens": 9}, signing=Signing("bedrock", "us-east-1"))
        assert wire(codec.encode("Wie?’"), tmp_path) == (
            b"POST /model/anthropic.claude-3-haiku-20240307-v1%3A0/converse-stream HTTP/1.1\r\n"
            b"content-type: application/json\r\naccept: application/vnd.amazon.eventstream\r\n"
            b"x-amz-content-sha256: d2cf87d3905c3fcf7d1d6343496db6e11f541edb3e790c8e14395a7404854646\r\n"
            b"accept-encoding: identity\r\ncontent-length: 106\r\n\r\n"
            b'{"messages": [{"role": "user", "content": [{"text": "Wie?\\u2019"}]}], "inferenceConfig": '
            b'{"maxTokens": 9}}'
        )

    def test_sagemaker(self, tmp_path: Path) -> None:
        codec = SageMakerPredictor(SAGEMAKER, {"max_new_tokens": 9}, headers={"X-Team": "a"})
        assert wire(codec.encode("Wie?’"), tmp_path) == (
            b"POST /endpoints/mine/invocations-response-stream HTTP/1.1\r\n"
            b"content-type: application/json\r\naccept: application/vnd.amazon.eventstream\r\n"
            b"x-amzn-sagemaker-accept: application/json\r\nx-team: a\r\n"
            b"accept-encoding: identity\r\ncontent-length: 77\r\n\r\n"
            b'{"inputs": "Wie?\\u2019", "parameters": {"max_new_tokens": 9}, "stream": true}'
        )

    def test_invoke_model(self, tmp_path: Path) -> None:
        codec = InvokeModelPredictor(MODEL + "meta.llama3-8b-instruct-v1%3A0", api_key="k", signing=None)
        assert wire(codec.encode("Wie?’", 9), tmp_path) == (
            b"POST /model/meta.llama3-8b-instruct-v1%3A0/invoke-with-response-stream HTTP/1.1\r\n"
            b"content-type: application/json\r\naccept: application/vnd.amazon.eventstream\r\n"
            b"x-amzn-bedrock-accept: application/json\r\nauthorization: Bearer k\r\n"
            b"accept-encoding: identity\r\ncontent-length: 42\r\n\r\n"
            b'{"prompt": "Wie?\\u2019", "max_gen_len": 9}'
        )
        whole = InvokeModelPredictor(MODEL + "meta.llama3-8b-instruct-v1%3A0", stream=False).encode("x")
        assert dict(whole.headers) == {"content-type": "application/json", "accept": "application/json"}


class TestConverse:
    def test_known_parameters_have_a_place_and_others_go_to_the_model(self) -> None:
        parameters = {**PARAMETERS, "stop": "END", "top_k": 5, "system": [{"text": "s"}], "caching": False}
        assert body(ConversePredictor(CLAUDE, parameters).encode("hi")) == {
            "messages": [{"role": "user", "content": [{"text": "hi"}]}],
            "inferenceConfig": {"temperature": 0.5, "maxTokens": 9, "topP": 0.9, "stopSequences": ["END"]},
            "additionalModelRequestFields": {"top_k": 5},
            "system": [{"text": "s"}],
        }

    def test_a_request_of_its_own_length(self) -> None:
        assert body(ConversePredictor(CLAUDE, PARAMETERS).encode("hi", 3))["inferenceConfig"]["maxTokens"] == 3
        assert body(ConversePredictor(CLAUDE).encode("hi", 3))["inferenceConfig"] == {"maxTokens": 3}

    def test_the_operation_follows_from_streaming(self) -> None:
        assert ConversePredictor(CLAUDE).encode("x").url == CLAUDE + "/converse-stream"
        assert ConversePredictor(CLAUDE, stream=False).encode("x").url == CLAUDE + "/converse"

    def test_an_image_stands_where_its_data_url_stood(self) -> None:
        assert body(ConversePredictor(CLAUDE).encode(PICTURE))["messages"][0]["content"] == [
            {"text": "What is this? "},
            {"image": {"format": "png", "source": {"bytes": PNG}}},
            {"text": " Be brief."},
        ]


def user(content: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": content}]


FAMILIES: list[tuple[str, dict[str, Any]]] = [
    (
        "eu.anthropic.claude-3-5-sonnet-20240620-v1:0",
        {
            "anthropic_version": "bedrock-2023-05-31",
            "max_tokens": 9,
            "messages": user([{"type": "text", "text": "hi"}]),
            "temperature": 0.5,
            "top_p": 0.9,
        },
    ),
    ("us.meta.llama3-3-70b-instruct-v1:0", {"prompt": "hi", "max_gen_len": 9, "temperature": 0.5, "top_p": 0.9}),
    (
        "mistral.mixtral-8x7b-instruct-v0:1",
        {"prompt": "<s>[INST] hi [/INST]", "max_tokens": 9, "temperature": 0.5, "top_p": 0.9},
    ),
    ("mistral.mistral-large-2407-v1:0", {"messages": user("hi"), "max_tokens": 9, "temperature": 0.5, "top_p": 0.9}),
    ("us.deepseek.r1-v1:0", {"prompt": "hi", "max_tokens": 9, "temperature": 0.5, "top_p": 0.9}),
    ("deepseek.v3-v1:0", {"messages": user("hi"), "max_tokens": 9, "temperature": 0.5, "top_p": 0.9}),
    ("cohere.command-text-v14", {"prompt": "hi", "stream": True, "max_tokens": 9, "temperature": 0.5, "p": 0.9}),
    ("cohere.command-r-plus-v1:0", {"message": "hi", "max_tokens": 9, "temperature": 0.5, "p": 0.9}),
    ("ai21.j2-mid-v1", {"prompt": "hi", "maxTokens": 9, "temperature": 0.5, "topP": 0.9}),
    ("ai21.jamba-1-5-large-v1:0", {"messages": user("hi"), "max_tokens": 9, "temperature": 0.5, "top_p": 0.9}),
    (
        "amazon.titan-text-premier-v1:0",
        {"inputText": "hi", "textGenerationConfig": {"maxTokenCount": 9, "temperature": 0.5, "topP": 0.9}},
    ),
    (
        "us.amazon.nova-pro-v1:0",
        {
            "schemaVersion": "messages-v1",
            "messages": user([{"text": "hi"}]),
            "inferenceConfig": {"maxTokens": 9, "temperature": 0.5, "topP": 0.9},
        },
    ),
    (
        "arn:aws:bedrock:us-west-2::foundation-model/meta.llama3-8b-instruct-v1:0",
        {"prompt": "hi", "max_gen_len": 9, "temperature": 0.5, "top_p": 0.9},
    ),
]


class TestInvokeModel:
    @pytest.mark.parametrize(("model", "expected"), FAMILIES, ids=[model for model, _ in FAMILIES])
    def test_each_family_gets_its_own_format(self, model: str, expected: dict[str, Any]) -> None:
        codec = InvokeModelPredictor(MODEL + model.replace(":", "%3A").replace("/", "%2F"), parameters=PARAMETERS)
        assert body(codec.encode("hi")) == expected
        limited = body(codec.encode("hi", 3))
        assert "9" not in json.dumps(limited).replace("0.9", "")

    def test_the_model_behind_an_arn_tells_the_form(self) -> None:
        arn = MODEL + "arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aprovisioned-model%2Fabc"
        request = InvokeModelPredictor(arn, "anthropic.claude-v2", stream=False).encode("hi")
        assert request.url == arn + "/invoke"
        assert "anthropic_version" in body(request)
        with pytest.raises(InputError, match=r"provisioned-model/abc does not follow from its id: write protocol: bed"):
            InvokeModelPredictor(arn).encode("hi")

    def test_a_prompt_that_is_marked_up_already_stays_as_it_is(self) -> None:
        codec = InvokeModelPredictor(MODEL + "mistral.mistral-7b-instruct-v0%3A2")
        assert body(codec.encode("<s>[INST] hi [/INST]"))["prompt"] == "<s>[INST] hi [/INST]"

    @pytest.mark.parametrize("model", ["cohere.command-text-v14", "cohere.command-light-text-v14"])
    def test_command_says_that_it_is_to_stream_only_where_it_is(self, model: str) -> None:
        given = {"stream": False}
        assert body(InvokeModelPredictor(MODEL + model, parameters=given).encode("hi")) == {
            "prompt": "hi",
            "stream": True,
        }
        whole = InvokeModelPredictor(MODEL + model, parameters={"stream": True}, stream=False)
        assert body(whole.encode("hi")) == {"prompt": "hi"}

    @pytest.mark.parametrize(
        ("model", "place"),
        [
            ("anthropic.claude-v2", ("stop_sequences",)),
            ("cohere.command-r-v1", ("stop_sequences",)),
            ("amazon.titan-text-lite-v1", ("textGenerationConfig", "stopSequences")),
            ("amazon.nova-lite-v1", ("inferenceConfig", "stopSequences")),
            ("ai21.j2-mid-v1", ("stopSequences",)),
            ("mistral.mixtral-8x7b-instruct-v0", ("stop",)),
            ("deepseek.r1-v1", ("stop",)),
        ],
    )
    def test_a_text_that_ends_answers_goes_in_a_list(self, model: str, place: tuple[str, ...]) -> None:
        for given in ({"stop": "END"}, {"stop": ["END"]}, {place[-1]: "END"}):
            asked = body(InvokeModelPredictor(MODEL + model, parameters=given).encode("hi"))
            for key in place:
                asked = asked[key]
            assert asked == ["END"]
        inside = {"inferenceConfig": {"stopSequences": "END"}}
        nova = InvokeModelPredictor(MODEL + "amazon.nova-lite-v1", parameters=inside)
        assert body(nova.encode("hi"))["inferenceConfig"] == {"stopSequences": ["END"]}

    def test_nova_has_its_own_fields(self) -> None:
        parameters = {"system": [{"text": "s"}], "inferenceConfig": {"topK": 5}, "temperature": 0}
        asked = body(InvokeModelPredictor(MODEL + "amazon.nova-lite-v1%3A0", parameters=parameters).encode("hi"))
        assert asked["system"] == [{"text": "s"}]
        assert asked["inferenceConfig"] == {"topK": 5, "temperature": 0}

    def test_images(self) -> None:
        asked = body(InvokeModelPredictor(CLAUDE).encode(PICTURE))
        assert asked["messages"][0]["content"][1] == {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": PNG},
        }
        asked = body(InvokeModelPredictor(MODEL + "us.meta.llama3-2-11b-instruct-v1%3A0").encode(PICTURE))
        assert asked == {"prompt": "What is this? <|image|> Be brief.", "images": [PNG]}
        asked = body(InvokeModelPredictor(MODEL + "mistral.pixtral-large-2502-v1%3A0").encode(PICTURE))
        assert asked["messages"][0]["content"][1] == {
            "type": "image_url",
            "image_url": {"url": f"data:image/png;base64,{PNG}"},
        }

    def test_embeddings(self) -> None:
        titan = InvokeModelPredictor(MODEL + "amazon.titan-embed-text-v2%3A0", stream=False)
        assert body(titan.encode("hi")) == {"inputText": "hi"}
        cohere = InvokeModelPredictor(MODEL + "cohere.embed-english-v3", stream=False)
        assert body(cohere.encode("hi")) == {"texts": ["hi"], "input_type": "search_document"}


class TestSageMaker:
    def test_inputs_and_parameters(self) -> None:
        parameters = {"max_new_tokens": 9, "stream": False}
        whole = SageMakerPredictor(SAGEMAKER, parameters, stream=False).encode("hi")
        assert (whole.url, body(whole)) == (SAGEMAKER, {"inputs": "hi", "parameters": {"max_new_tokens": 9}})
        limited = SageMakerPredictor(SAGEMAKER + "-response-stream", parameters).encode("hi", 3)
        assert limited.url == SAGEMAKER + "-response-stream"
        assert body(limited) == {"inputs": "hi", "parameters": {"max_new_tokens": 3}, "stream": True}

    def test_messages(self) -> None:
        codec = SageMakerPredictor(SAGEMAKER, PARAMETERS, form="messages")
        assert body(codec.encode("hi", 3)) == {
            "messages": user("hi"),
            "temperature": 0.5,
            "max_tokens": 3,
            "top_p": 0.9,
            "stream": True,
        }
        assert body(codec.encode(PICTURE))["messages"][0]["content"][1]["type"] == "image_url"

    def test_embeddings(self) -> None:
        codec = SageMakerPredictor(SAGEMAKER, {"mode": "embedding"}, stream=False, form="text_inputs")
        assert body(codec.encode("hi")) == {"text_inputs": "hi", "mode": "embedding"}

    @pytest.mark.parametrize(
        ("model", "parameters", "sent"),
        [
            ("huggingface-sentencesimilarity-bge-large-en-v1-5", {}, {"mode": "embedding"}),
            ("huggingface-sentencesimilarity-bge-large-en-v1-5", {"mode": "nn_corpus"}, {"mode": "nn_corpus"}),
            ("huggingface-textembedding-gpt-j-6b", {}, {}),
        ],
    )
    def test_jumpstarts_sentence_models_are_told_what_to_do(
        self, experiment: MakeExperiment, model: str, parameters: dict[str, Any], sent: dict[str, Any]
    ) -> None:
        spec = {"container_type": "huggingface", "parameters": parameters}
        mine = experiment(protocol="sagemaker", model_id=model, inference_spec=spec)
        assert body(predictor_for(mine, SAGEMAKER, None).encode("hi")) == {"text_inputs": "hi", **sent}

    def test_a_split_request_is_the_prompt_alone(self) -> None:
        arguments = {"ContentType": "application/x-text", "Accept": "application/json", "custom_attributes": "a=b"}
        request = SageMakerPredictor(SAGEMAKER, arguments, stream=False, form="split").encode("Wie?’")
        assert request.body == "Wie?’".encode()
        assert dict(request.headers) == {
            "content-type": "application/x-text",
            "accept": "application/json",
            "x-amzn-sagemaker-custom-attributes": "a=b",
        }
        streamed = SageMakerPredictor(SAGEMAKER, {"Accept": "text/plain"}, form="split").encode("hi")
        assert dict(streamed.headers) == {
            "content-type": "application/x-text",
            "accept": "application/vnd.amazon.eventstream",
            "x-amzn-sagemaker-accept": "text/plain",
        }
        as_json = SageMakerPredictor(SAGEMAKER, {"ContentType": "application/json"}, form="split").encode("hi")
        assert as_json.body == b'"hi"'
        with pytest.raises(InputError, match="temperature is not an argument of InvokeEndpoint"):
            SageMakerPredictor(SAGEMAKER, {"temperature": 1}, form="split").encode("hi")


class TestFromAnExperiment:
    def test_what_is_signed_for(self, experiment: MakeExperiment, monkeypatch: pytest.MonkeyPatch) -> None:
        mine = experiment(protocol="sagemaker", region="ap-south-1")
        assert predictor_for(mine, SAGEMAKER, None).encode("x").signing == Signing("sagemaker", "eu-west-1")
        emulated = "http://127.0.0.1:1/model/meta.llama3-8b-instruct-v1%3A0"
        here = experiment(protocol="bedrock", region="ap-south-1")
        assert predictor_for(here, emulated, None).encode("x").signing == Signing("bedrock", "ap-south-1")
        monkeypatch.setenv("AWS_REGION", "eu-north-1")
        anywhere = predictor_for(experiment(protocol="bedrock_invoke"), emulated, None)
        assert anywhere.encode("x").signing == Signing("bedrock", "eu-north-1")
        assert predictor_for(experiment(), "http://h/v1/completions", None).encode("x").signing is None

    def test_without_a_region_nothing_can_be_signed(self, experiment: MakeExperiment) -> None:
        with pytest.raises(InputError, match="mine: the region to sign requests for is not known: write region"):
            predictor_for(experiment(protocol="bedrock"), "http://127.0.0.1:1/model/x", None)

    def test_a_key_replaces_the_signature(self, experiment: MakeExperiment, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "a-key")
        codec = predictor_for(experiment(protocol="bedrock", api_key_env="AWS_BEARER_TOKEN_BEDROCK"), CLAUDE, None)
        request = codec.encode("x")
        assert (request.signing, dict(request.headers)["authorization"]) == (None, "Bearer a-key")
        assert "a-key" not in repr(codec)

    @pytest.mark.parametrize(
        ("settings", "form"),
        [
            ({}, "inputs"),
            ({"use_messages_api_format": True}, "messages"),
            ({"inference_spec": {"container_type": "huggingface"}}, "text_inputs"),
            ({"inference_spec": {"parameters": {"mode": "embedding"}}}, "text_inputs"),
            ({"inference_spec": {"split_input_and_parameters": True}}, "split"),
        ],
    )
    def test_the_form_follows_from_the_config(
        self, experiment: MakeExperiment, settings: dict[str, Any], form: str
    ) -> None:
        codec = predictor_for(experiment(protocol="sagemaker", **settings), SAGEMAKER, None)
        assert isinstance(codec, SageMakerPredictor)
        assert codec.form == form

    @pytest.mark.parametrize(
        ("given", "called"),
        [
            ("http://h:1/model/mistral.a%3A0", "http://h:1/model/mistral.a%3A0"),
            ("http://h:1/model/mistral.a%3A0/converse", "http://h:1/model/mistral.a%3A0"),
            ("http://h:1/model/mistral.a%3A0/invoke-with-response-stream/", "http://h:1/model/mistral.a%3A0"),
            ("http://h:1", "http://h:1/model/mistral.m%3A0"),
            ("http://h:1/", "http://h:1/model/mistral.m%3A0"),
            ("http://h:1/gateway/mistral.m", "http://h:1/gateway/mistral.m"),
        ],
    )
    @pytest.mark.parametrize(("protocol", "operation"), [("bedrock", "converse"), ("bedrock_invoke", "invoke")])
    def test_an_address_may_end_with_its_operation_or_be_the_base_alone(
        self, experiment: MakeExperiment, given: str, called: str, protocol: str, operation: str
    ) -> None:
        mine = experiment(protocol=protocol, region="us-east-1", inference_spec={"stream": False})
        codec = predictor_for(mine, given, "mistral.m:0")
        assert codec.encode("hi").url == f"{called}/{operation}"

    @pytest.mark.parametrize("protocol", ["bedrock", "bedrock_invoke"])
    @pytest.mark.parametrize("model", ["amazon.titan-embed-text-v2%3A0", "cohere.embed-english-v3"])
    def test_embeddings_use_invoke_model_and_never_stream(
        self, experiment: MakeExperiment, protocol: str, model: str
    ) -> None:
        mine = experiment(protocol=protocol, inference_spec={"stream": True})
        assert predictor_for(mine, MODEL + model, None).encode("hi").url == MODEL + model + "/invoke"
        arn = MODEL + "arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aprovisioned-model%2Fabc"
        assert predictor_for(mine, arn, model).encode("hi").url == arn + "/invoke"
