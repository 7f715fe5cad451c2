"""Endpoints from a template: what is sent, where the answer is found, and templates that cannot be filled."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from fmbench_lib.config import Experiment
from fmbench_lib.errors import InputError
from fmbench_lib.predictors.base import Completion, HttpRequest, HttpResponse
from fmbench_lib.predictors.registry import predictor_for
from fmbench_lib.predictors.rest import COMPLETIONS, SENTENCE, RestPredictor

MakeExperiment = Callable[..., Experiment]
Codec = Callable[..., RestPredictor]


@pytest.fixture
def codec(experiment: MakeExperiment) -> Codec:
    def make(rest: dict[str, Any], url: str = "http://h/run", model: str | None = "m", **spec: Any) -> RestPredictor:
        made = predictor_for(experiment(protocol="rest", inference_spec={"rest": rest, **spec}), url, model)
        assert isinstance(made, RestPredictor)
        return made

    return make


def body_of(request: HttpRequest) -> Any:
    return json.loads(request.body)


def response(body: Any, kind: str = "application/json") -> HttpResponse:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpResponse(200, (("content-type", kind),), data)


class TestSending:
    def test_placeholders_alone_are_values_and_within_text_are_text(self, codec: Codec) -> None:
        body = {
            "q": "<s>{prompt}</s>",
            "most": "{max_tokens}",
            "live": "{stream}",
            "who": "{model}",
            "heat": "{temperature}",
            "deep": [{"t": "{temperature}"}, 7, None],
        }
        parameters = {"temperature": 0.5, "max_tokens": 8}
        made = codec({"body": body}, stream=True, parameters=parameters)
        assert body_of(made.encode("Hi")) == {
            "q": "<s>Hi</s>",
            "most": 8,
            "live": True,
            "who": "m",
            "heat": 0.5,
            "deep": [{"t": 0.5}, 7, None],
        }
        assert body_of(made.encode("Hi", 33))["most"] == 33

    def test_a_prompt_is_never_taken_for_a_template(self, codec: Codec) -> None:
        made = codec({"body": {"q": "{prompt}!", "m": "{model}"}})
        assert body_of(made.encode("{model} {parameters}"))["q"] == "{model} {parameters}!"

    def test_what_is_not_given_is_left_out(self, codec: Codec) -> None:
        made = codec({"body": {"q": "{prompt}", "most": "{max_tokens}", "nothing": None}}, model=None)
        assert body_of(made.encode("Hi")) == {"q": "Hi", "nothing": None}

    def test_parameters_without_a_place_are_added_to_the_body(self, codec: Codec) -> None:
        made = codec({"body": {"q": "{prompt}", "t": "{heat}"}}, parameters={"heat": 1, "top_k": 5})
        assert body_of(made.encode("Hi")) == {"q": "Hi", "t": 1, "top_k": 5}

    def test_parameters_may_be_placed_as_a_whole(self, codec: Codec) -> None:
        made = codec({"body": {"q": "{prompt}", "config": "{parameters}"}}, parameters={"top_k": 5})
        assert body_of(made.encode("Hi", 3)) == {"q": "Hi", "config": {"top_k": 5, "max_tokens": 3}}

    def test_path_and_query_are_encoded_and_added_to_the_address(self, codec: Codec) -> None:
        rest = {"method": "GET", "path": "/{model}/{prompt}", "query": {"k": "{top_k}", "s": "{stream}"}}
        made = codec(rest, "http://h/run/?a=1", "org/m", parameters={"top_k": 5}, stream=False)
        request = made.encode("a/b ü")
        assert (request.method, request.body) == ("GET", b"")
        assert request.url == "http://h/run/org%2Fm/a%2Fb%20%C3%BC?a=1&k=5&s=false"
        assert request.headers == ()

    @pytest.mark.parametrize(
        ("rest", "says"),
        [
            ({"body": {"q": "{promt}"}}, r"has \{promt\}, which nothing replaces; it may have \{prompt\}"),
            ({"body": {"q": "{prompt} {ground_truth}"}}, r"has \{ground_truth\}, which nothing replaces"),
            ({"body": {"q": "question"}}, r"has no \{prompt\}"),
            ({"method": "GET", "path": "/{prompt}"}, r"has no place for the parameter top_k; write \{top_k\}"),
            ({"body": ["{prompt}"]}, "has no place for the parameter top_k"),
        ],
    )
    def test_a_template_that_cannot_be_filled_is_an_error(self, codec: Codec, rest: dict[str, Any], says: str) -> None:
        with pytest.raises(InputError, match=f"experiment mine: inference_spec.rest {says}"):
            codec(rest, parameters={"top_k": 5})


class TestReading:
    REST: ClassVar[dict[str, Any]] = {
        "body": {"q": "{prompt}"},
        "text": ["$.answers[*].words", "$.delta"],
        "prompt_tokens": "$.usage.in",
        "completion_tokens": "$.usage.out",
        "finish_reason": "$.why",
        "error": "$.fault.reason",
    }

    def test_a_whole_answer(self, codec: Codec) -> None:
        body = {"answers": [{"words": "Grüße "}, {"words": "b"}], "usage": {"in": 3, "out": 2}, "why": "stop"}
        completion = codec(self.REST).decode(response(body))
        assert completion == Completion(
            text="Grüße b",
            events=completion.events,
            prompt_tokens=3,
            completion_tokens=2,
            finish_reason="stop",
        )
        assert [event.end_offset for event in completion.events] == [len(json.dumps(body))]

    @pytest.mark.parametrize(
        ("kind", "prefix", "end"),
        [("text/event-stream", b"data: ", b"\n\n"), ("application/x-ndjson", b"", b"\n")],
    )
    def test_a_stream(self, codec: Codec, kind: str, prefix: bytes, end: bytes) -> None:
        messages = [{"delta": "a"}, {"other": 1}, {"delta": "b", "usage": {"out": 1}}, {"usage": {"in": 3, "out": 2}}]
        body = b"".join(prefix + json.dumps(one).encode() + end for one in messages)
        completion = codec(self.REST).decode(response(body, kind))
        assert ([event.text for event in completion.events], completion.streamed) == (["a", "b"], True)
        assert (completion.prompt_tokens, completion.completion_tokens, completion.error_class) == (3, 2, None)

    def test_what_stands_at_the_error_path_is_the_endpoints_error(self, codec: Codec) -> None:
        completion = codec(self.REST).decode(response({"delta": "a", "fault": {"reason": {"code": 5}}}))
        assert (completion.error_class, completion.error_message) == ("endpoint", '{"code": 5}')

    def test_an_end_that_means_an_error_is_the_endpoints(self, codec: Codec) -> None:
        rest = {**self.REST, "finish_reason": "$.why"}
        completion = codec(rest).decode(response({"delta": "a", "why": "abort"}))
        assert (completion.error_class, completion.finish_reason) == ("endpoint", "abort")

    def test_a_body_without_the_text_says_which_key_is_wrong(self, codec: Codec) -> None:
        completion = codec(self.REST).decode(response({"generated": "a"}))
        assert completion.error_class == "decode"
        assert "inference_spec.rest.text" in (completion.error_message or "")

    def test_a_text_that_is_there_and_empty(self, codec: Codec) -> None:
        assert codec(self.REST).decode(response({"delta": ""})).error_class == "empty"

    @pytest.mark.parametrize(
        ("body", "text"),
        [
            (b"plain words", "plain words"),
            (b'["a list", " of texts"]', "a list of texts"),
            (b'"a text"', "a text"),
            (b"42", "42"),
            (b'{"an": "object"}', '{"an": "object"}'),
        ],
    )
    def test_a_body_that_is_the_text_itself(self, body: bytes, text: str) -> None:
        completion = RestPredictor("http://h/infer", SENTENCE).decode(response(body, "text/plain"))
        assert (completion.text, completion.error_class, completion.streamed) == (text, None, False)

    def test_earlier_versions_completions(self) -> None:
        codec = RestPredictor("http://h/v2/completions", COMPLETIONS)
        usage = {"prompt_tokens": 4, "completion_tokens": 1}
        for key in ("completions", "choices"):
            completion = codec.decode(response({key: [{"text": "yes"}], "usage": usage}))
            assert (completion.text, completion.prompt_tokens, completion.completion_tokens) == ("yes", 4, 1)
        assert codec.decode(response({"choices": [{"text": "y", "finish_reason": "abort"}]})).error_class == "endpoint"


def test_a_model_id_of_the_inference_spec_outweighs_the_experiments(experiment: MakeExperiment) -> None:
    made = predictor_for(
        experiment(protocol="custom_rest", inference_spec={"model_id": "tinyllama"}), "http://h/v2/completions", "m"
    )
    assert body_of(made.encode("Hi")) == {"model_id": "tinyllama", "prompt": "Hi"}


def test_what_the_text_protocols_do_not_send(experiment: MakeExperiment) -> None:
    made = predictor_for(experiment(protocol="eks", inference_spec={"parameters": {"top_k": 5}}), "http://h/x", None)
    assert made.encode("Hi").url == "http://h/x/Hi"


class TestAuthorisation:
    @pytest.mark.parametrize("protocol", ["rest", "custom_rest", "eks"])
    @pytest.mark.parametrize(
        ("auth", "sent"),
        [
            # RFC 7617, section 2
            ({"username": "Aladdin", "password": "open sesame"}, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
            (["Aladdin", "open sesame"], "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
            (["test", "123\u00a3"], "Basic dGVzdDoxMjPCow=="),
            ("Token abc", "Token abc"),
        ],
    )
    def test_it_is_one_header(self, experiment: MakeExperiment, protocol: str, auth: Any, sent: str) -> None:
        made = predictor_for(experiment(protocol=protocol, inference_spec={"auth": auth}), "http://h/x", None)
        assert dict(made.encode("Hi").headers)["authorization"] == sent
        assert sent not in repr(made)

    def test_the_experiments_key_and_header_override_auth(
        self, experiment: MakeExperiment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MY_KEY", "k")
        spec: dict[str, Any] = {"auth": ["me", "mine"]}
        with_key = experiment(protocol="rest", api_key_env="MY_KEY", inference_spec=spec)
        with_header = experiment(protocol="rest", inference_spec={**spec, "headers": {"AUTHORIZATION": "own"}})
        for mine, sent in ((with_key, "Bearer k"), (with_header, "own")):
            headers = predictor_for(mine, "http://h/x", None).encode("Hi").headers
            assert [value for name, value in headers if name == "authorization"] == [sent]

    def test_other_protocols_do_not_send_it(self, experiment: MakeExperiment) -> None:
        made = predictor_for(experiment(inference_spec={"auth": ["me", "mine"]}), "http://h/v1/completions", None)
        assert "authorization" not in dict(made.encode("Hi").headers)
