"""AWS's calls as made and parsed by unmodified boto3, and their refusals."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError

from fmbench_lib.emulator import Behaviour, Constant, Emulator, launch
from fmbench_lib.emulator.wires.aws_signature import ACCESS_KEY, EXPIRED_TOKEN, SECRET_KEY

TOKENS = 6
Client = Callable[..., Any]


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with launch(Behaviour(ttft=Constant(0.001), itl=Constant(0.0005), tokens=Constant(TOKENS), echo=True)) as running:
        yield running


@pytest.fixture
def client(emulator: Emulator, aws_environment: None) -> Iterator[Client]:
    created: list[Any] = []

    def make(service: str, *, secret: str = SECRET_KEY, key: str = ACCESS_KEY, token: str | None = None) -> Any:
        client = boto3.client(
            service,
            region_name="us-east-1",
            endpoint_url=emulator.base_url,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=Config(retries={"total_max_attempts": 1}),
        )
        created.append(client)
        return client

    yield make
    for client in created:
        client.close()


def user(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"text": text}]}]


class TestConverse:
    def test_whole(self, client: Client) -> None:
        answer = client("bedrock-runtime").converse(modelId="meta.llama3-8b-instruct-v1:0", messages=user("a b c"))
        assert answer["output"]["message"]["content"][0]["text"].startswith("a b c")
        assert answer["usage"] == {"inputTokens": 3, "outputTokens": TOKENS, "totalTokens": 3 + TOKENS}
        assert answer["stopReason"] == "end_turn"

    def test_stream(self, client: Client) -> None:
        arn = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdef"
        answer = client("bedrock-runtime").converse_stream(
            modelId=arn, messages=user("a b"), inferenceConfig={"maxTokens": 4}
        )
        events = list(answer["stream"])
        names = [next(iter(event)) for event in events]
        assert names == [
            "messageStart",
            *["contentBlockDelta"] * 4,
            "contentBlockStop",
            "messageStop",
            "metadata",
        ]
        texts = [event["contentBlockDelta"]["delta"]["text"] for event in events[1:5]]
        assert texts[0] == "a b"
        assert all(texts)
        assert events[-2]["messageStop"] == {"stopReason": "max_tokens"}
        assert events[-1]["metadata"]["usage"] == {"inputTokens": 2, "outputTokens": 4, "totalTokens": 6}

    def test_an_exception_in_mid_stream(self, client: Client) -> None:
        answer = client("bedrock-runtime").converse_stream(
            modelId="amazon.nova-lite-v1:0", messages=user("[[fault:error:events=2]] x")
        )
        with closing(answer["stream"]) as stream:
            events = iter(stream)
            seen = [next(iter(next(events))) for _ in range(3)]
            assert seen == ["messageStart", "contentBlockDelta", "contentBlockDelta"]
            with pytest.raises(EventStreamError) as caught:
                next(events)
        assert caught.value.response["Error"]["Code"] == "modelStreamErrorException"


INVOKED: list[tuple[str, dict[str, Any], Callable[[dict[str, Any]], Any], Callable[[dict[str, Any]], Any]]] = [
    (
        "anthropic.claude-3-haiku-20240307-v1:0",
        {
            "anthropic_version": "bedrock-2023-05-31",
            "max_tokens": 50,
            "messages": [{"role": "user", "content": "one two"}],
        },
        lambda whole: whole["content"][0]["text"],
        lambda chunk: chunk.get("delta", {}).get("text"),
    ),
    (
        "us.meta.llama3-1-8b-instruct-v1:0",
        {"prompt": "one two", "max_gen_len": 50},
        lambda whole: whole["generation"],
        lambda chunk: chunk["generation"],
    ),
    (
        "mistral.mistral-7b-instruct-v0:2",
        {"prompt": "one two"},
        lambda whole: whole["outputs"][0]["text"],
        lambda chunk: chunk["outputs"][0]["text"],
    ),
    (
        "cohere.command-text-v14",
        {"prompt": "one two"},
        lambda whole: whole["generations"][0]["text"],
        lambda chunk: chunk.get("text"),
    ),
    (
        "amazon.titan-text-express-v1",
        {"inputText": "one two"},
        lambda whole: whole["results"][0]["outputText"],
        lambda chunk: chunk["outputText"],
    ),
    (
        "amazon.nova-lite-v1:0",
        {"schemaVersion": "messages-v1", "messages": user("one two")},
        lambda whole: whole["output"]["message"]["content"][0]["text"],
        lambda chunk: chunk.get("contentBlockDelta", {}).get("delta", {}).get("text"),
    ),
    (
        "ai21.jamba-1-5-mini-v1:0",
        {"messages": [{"role": "user", "content": "one two"}]},
        lambda whole: whole["choices"][0]["message"]["content"],
        lambda chunk: chunk["choices"][0]["delta"].get("content"),
    ),
]


@pytest.mark.parametrize(("model", "body", "whole_text", "piece"), INVOKED, ids=[item[0] for item in INVOKED])
class TestInvokeModel:
    def test_whole(self, client: Client, model: str, body: dict[str, Any], whole_text: Any, piece: Any) -> None:
        answer = client("bedrock-runtime").invoke_model(modelId=model, body=json.dumps(body))
        assert whole_text(json.loads(answer["body"].read())).startswith("one two")
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        assert headers["x-amzn-bedrock-input-token-count"] == "2"
        assert headers["x-amzn-bedrock-output-token-count"] == str(TOKENS)

    def test_stream(self, client: Client, model: str, body: dict[str, Any], whole_text: Any, piece: Any) -> None:
        answer = client("bedrock-runtime").invoke_model_with_response_stream(modelId=model, body=json.dumps(body))
        chunks = [json.loads(event["chunk"]["bytes"]) for event in answer["body"]]
        texts = [text for chunk in chunks if (text := piece(chunk))]
        assert len(texts) == TOKENS
        assert texts[0] == "one two"
        metrics = chunks[-1]["amazon-bedrock-invocationMetrics"]
        assert (metrics["inputTokenCount"], metrics["outputTokenCount"]) == (2, TOKENS)


class TestInvokeEndpoint:
    def invoke(self, client: Client, endpoint: str, body: dict[str, Any]) -> Any:
        answer = client("sagemaker-runtime").invoke_endpoint(
            EndpointName=endpoint, Body=json.dumps(body), ContentType="application/json"
        )
        return json.loads(answer["Body"].read())

    def stream(self, client: Client, endpoint: str, body: dict[str, Any]) -> list[bytes]:
        answer = client("sagemaker-runtime").invoke_endpoint_with_response_stream(
            EndpointName=endpoint, Body=json.dumps(body), ContentType="application/json"
        )
        with closing(answer["Body"]) as stream:
            return [event["PayloadPart"]["Bytes"] for event in stream]

    def test_whole(self, client: Client) -> None:
        task = {"inputs": "one two", "parameters": {"max_new_tokens": 3, "details": True}}
        lmi = self.invoke(client, "lmi", task)
        assert lmi["generated_text"].startswith("one two")
        assert lmi["details"]["generated_tokens"] == 3
        (tgi,) = self.invoke(client, "tgi", task)
        assert tgi["details"]["generated_tokens"] == 3

    def test_messages_and_vectors(self, client: Client) -> None:
        chat = self.invoke(client, "lmi", {"messages": [{"role": "user", "content": "one two"}]})
        assert chat["choices"][0]["message"]["content"].startswith("one two")
        assert self.invoke(client, "bge", {"text_inputs": "one two"})["embedding"][0]

    def test_a_prompt_in_plain_text(self, client: Client) -> None:
        answer = client("sagemaker-runtime").invoke_endpoint(
            EndpointName="x", Body=b"one two", ContentType="application/x-text"
        )
        assert json.loads(answer["Body"].read())["generated_text"].startswith("one two")

    def test_a_stream_of_lines(self, client: Client) -> None:
        parts = self.stream(client, "lmi", {"inputs": "one two"})
        message = [json.loads(part) for part in parts]
        assert message[0]["token"]["text"] == "one two"
        assert (len(message), message[-1]["details"]["generated_tokens"]) == (TOKENS, TOKENS)

    def test_a_line_split_over_two_parts(self, client: Client) -> None:
        parts = self.stream(client, "lmi-split", {"inputs": "one two"})
        assert len(parts) == 2 * TOKENS
        assert not parts[0].endswith(b"}\n")
        assert len([json.loads(line) for line in b"".join(parts).splitlines()]) == TOKENS

    def test_server_sent_events_in_parts(self, client: Client) -> None:
        parts = self.stream(client, "tgi", {"inputs": "one two"})
        assert all(part.startswith(b"data: {") for part in parts)
        chat = self.stream(client, "lmi", {"messages": [{"role": "user", "content": "x"}], "stream": True})
        assert b"".join(chat).endswith(b"data: [DONE]\n\n")

    def test_an_exception_in_mid_stream(self, client: Client) -> None:
        with pytest.raises(EventStreamError) as caught:
            self.stream(client, "lmi", {"inputs": "[[fault:error:events=1]]"})
        assert caught.value.response["Error"]["Code"] == "ModelStreamError"


class TestRefusals:
    def converse(self, client: Any, text: str = "hello") -> Any:
        return client.converse(modelId="meta.llama3-8b-instruct-v1:0", messages=user(text))

    @pytest.mark.parametrize(
        ("credentials", "code"),
        [
            ({"secret": "another"}, "InvalidSignatureException"),
            ({"key": "AKIASOMEBODY"}, "UnrecognizedClientException"),
            ({"token": EXPIRED_TOKEN}, "ExpiredTokenException"),
        ],
    )
    def test_a_wrong_signature(self, client: Client, credentials: dict[str, str], code: str) -> None:
        with pytest.raises(ClientError) as caught:
            self.converse(client("bedrock-runtime", **credentials))
        assert caught.value.response["Error"]["Code"] == code
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403

    def test_a_missing_signature(self, emulator: Emulator, connect: Callable[[str], Any]) -> None:
        reply = connect(emulator.base_url).ask("hello", path="/model/x/converse")
        assert (reply.status, reply.headers["x-amzn-errortype"]) == (403, "MissingAuthenticationTokenException")

    @pytest.mark.parametrize(
        ("fault", "code", "status"),
        [
            ("rate_limit", "ThrottlingException", 429),
            ("server_error:status=503", "ServiceUnavailableException", 503),
            ("server_error", "InternalServerException", 500),
        ],
    )
    def test_errors_have_awss_names(self, client: Client, fault: str, code: str, status: int) -> None:
        with pytest.raises(ClientError) as caught:
            self.converse(client("bedrock-runtime"), f"[[fault:{fault}]]")
        assert caught.value.response["Error"]["Code"] == code
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status

    def test_an_invalid_body(self, client: Client) -> None:
        with pytest.raises(ClientError) as caught:
            client("bedrock-runtime").invoke_model(modelId="meta.llama3-8b-instruct-v1:0", body=b'{"text": 1}')
        assert caught.value.response["Error"]["Code"] == "ValidationException"

    def test_a_containers_own_error(self, client: Client) -> None:
        with pytest.raises(ClientError) as caught:
            client("sagemaker-runtime").invoke_endpoint(
                EndpointName="x",
                Body=json.dumps({"inputs": "[[fault:server_error:status=424]]"}),
                ContentType="application/json",
            )
        assert caught.value.response["Error"]["Code"] == "ModelError"
        assert caught.value.response["OriginalStatusCode"] == 500
