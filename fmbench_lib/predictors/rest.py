"""Any HTTP endpoint, from a template: method, path, query and body with placeholders, and paths into its answer.

The template is the config's section `inference_spec.rest`; the requests of FMBench 2.x's scripts are templates too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from fmbench_lib.config.schema.api_key import key_header
from fmbench_lib.config.schema.json_path import Steps, at_path, path_steps
from fmbench_lib.errors import InputError
from fmbench_lib.predictors.answer import Answer, content_type, decoded, parsed, take_trailing_counts, text
from fmbench_lib.predictors.base import Completion, HttpRequest, HttpResponse, Predictor, Sent
from fmbench_lib.predictors.server_errors import failure_in, message_of
from fmbench_lib.predictors.streams import Form, form_of, is_end, is_json_lines, json_lines, sse_data

if TYPE_CHECKING:  # decoding processes need no schema
    from fmbench_lib.config.schema.experiment import Experiment

_PLACEHOLDER = re.compile(r"\{([A-Za-z_]\w*)\}")
_ERROR: Steps = ("error",)
_WORDS = ("prompt", "max_tokens", "model", "stream", "parameters")


@dataclass(frozen=True, slots=True)
class RestTemplate:
    """What is sent, and the paths to the parts of each JSON object of the answer."""

    method: str = "POST"
    path: str = ""
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    text: tuple[Steps, ...] = (("text",),)
    prompt_tokens: Steps | None = None
    completion_tokens: Steps | None = None
    finish_reason: Steps | None = None
    error: Steps = _ERROR
    echoes_prompt: bool = False
    takes_parameters: bool = True
    """Whether parameters that do not occur in the template are sent."""

    def placeholders(self) -> frozenset[str]:
        """The names in braces in the template."""
        return frozenset(_PLACEHOLDER.findall(json.dumps([self.path, dict(self.query), self.body])))


SENTENCE = RestTemplate("GET", query={"sentence": "{prompt}"}, text=((),), echoes_prompt=True, takes_parameters=False)
"""The protocol of Ray Serve's examples: the prompt in the query, the answer as text."""

LAST_IN_PATH = RestTemplate("GET", path="/{prompt}", text=((),), echoes_prompt=True, takes_parameters=False)
"""The same with the prompt at the end of the path."""

COMPLETIONS = RestTemplate(
    body={"model_id": "{model}", "prompt": "{prompt}"},
    text=(path_steps("$.completions[0].text"), path_steps("$.choices[0].text")),
    prompt_tokens=path_steps("$.usage.prompt_tokens"),
    completion_tokens=path_steps("$.usage.completion_tokens"),
    finish_reason=path_steps("$.choices[0].finish_reason"),
)
"""The protocol of custom endpoints in FMBench 2.x's configs."""


@dataclass(frozen=True, slots=True)
class RestPredictor:
    """Codec for one address and one template.

    :raises InputError: the template has unknown placeholders, or no place for the prompt or a parameter.
    """

    url: str
    template: RestTemplate
    model: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    stream: bool = True
    api_key: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    _placed: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        placed = self.template.placeholders()
        object.__setattr__(self, "_placed", placed)
        allowed = (*_WORDS, *self.parameters)
        unknown = sorted(placed - set(allowed))
        if unknown:
            names = ", ".join(f"{{{name}}}" for name in dict.fromkeys(allowed))
            raise InputError(f"inference_spec.rest has {{{unknown[0]}}}, which nothing replaces; it may have {names}")
        if "prompt" not in placed:
            raise InputError("inference_spec.rest has no {prompt}: requests would be sent without their prompts")
        unplaced = self._unplaced(self.parameters)
        if unplaced and not isinstance(self.template.body, dict):
            name = next(iter(unplaced))
            raise InputError(
                f"inference_spec.rest has no place for the parameter {name}; write {{{name}}} in its query"
            )

    @property
    def echoes_prompt(self) -> bool:
        """Whether answers begin with the prompt."""
        return self.template.echoes_prompt

    def encode(self, prompt: str, max_tokens: int | None = None) -> HttpRequest:
        """The template's request with its placeholders replaced."""
        template = self.template
        parameters = {**self.parameters, **({} if max_tokens is None else {"max_tokens": max_tokens})}
        values = {"max_tokens": None, "model": self.model, **parameters}
        values |= {"prompt": prompt, "stream": self.stream, "parameters": parameters}
        parts = urlsplit(self.url)
        path = parts.path.rstrip("/") if template.path.startswith("/") else parts.path
        path += _PLACEHOLDER.sub(lambda match: quote(_spelt(values[match[1]]), safe=""), template.path)
        query = urlencode({name: _spelt(value) for name, value in _filled(dict(template.query), values).items()})
        url = urlunsplit(parts._replace(path=path, query="&".join(filter(None, (parts.query, query)))))
        headers = {} if template.body is None else {"content-type": "application/json"}
        headers |= {name.lower(): value for name, value in self.headers.items()}
        if self.api_key is not None:
            name, value = key_header(self.api_key, url)
            headers[name] = value
        body = _filled(template.body, values)
        if isinstance(body, dict):
            body |= self._unplaced(parameters)
        data = b"" if template.body is None else json.dumps(body).encode()
        return HttpRequest(template.method, url, tuple(headers.items()), data)

    def _unplaced(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters that do not occur in the template."""
        if not self.template.takes_parameters or "parameters" in self._placed:
            return {}
        return {name: value for name, value in parameters.items() if name not in self._placed}

    def decode(self, response: HttpResponse) -> Completion:
        """What the template's paths lead to, in a whole answer or each message of a stream."""
        return decoded(response, self._form(response) != "whole", self._read)

    def _form(self, response: HttpResponse) -> Form:
        """The form of a body: by its shape and type, or where any text is an answer, by its type alone."""
        kind = content_type(response)
        if () not in self.template.text:
            return form_of(kind, response.body)
        return "events" if kind.startswith("text/event-stream") else "lines" if is_json_lines(kind) else "whole"

    def _read(self, response: HttpResponse, answer: Answer) -> None:
        if answer.streamed:
            answer.open_ended = True
            self._read_stream(response, answer)
        elif response.complete:
            has_text = self._take(self._json(response.body), len(response.body), answer)
            if not has_text and answer.error is None:
                raise ValueError("there is nothing at the path inference_spec.rest.text")

    def _read_stream(self, response: HttpResponse, answer: Answer) -> None:
        events = self._form(response) == "events"
        split = sse_data if events else json_lines
        pieces = split(response.body, complete=response.complete)
        for end_offset, data in pieces:
            if is_end(data):
                answer.done = True
            else:
                message = self._message(data, answer)
                if answer.error is None:
                    self._take(message, end_offset, answer)
            if answer.error is not None or answer.is_too_long():
                return
            if answer.is_over():
                take_trailing_counts(pieces, answer, self._take)

    def _message(self, data: bytes, answer: Answer) -> Any:
        return self._json(data) if () in self.template.text else parsed(data, answer)

    def _json(self, body: bytes) -> Any:
        """The JSON value of a body; a template whose text is the whole answer accepts any text."""
        try:
            return json.loads(body)
        except ValueError:
            if () not in self.template.text:
                raise
            return body.decode(errors="replace")

    def _take(self, message: Any, end_offset: int, answer: Answer) -> bool:
        """Add the parts of a JSON value; whether the path of the text exists in it."""
        template = self.template
        failure = next(at_path(message, template.error), None)
        if failure:  # an empty one, as null or "", reports nothing
            beside = failure_in(message) if template.error == _ERROR and isinstance(message, dict) else None
            answer.fail("endpoint", message_of(beside or failure))
            return False
        answer.add_counts(
            prompt_tokens=_first(message, template.prompt_tokens),
            completion_tokens=_first(message, template.completion_tokens),
        )
        answer.finish(_first(message, template.finish_reason))
        for steps in template.text:
            if any(True for _ in at_path(message, _before_every(steps))):
                answer.add_text(
                    "".join(_words(value, whole=not steps) for value in at_path(message, steps)), end_offset
                )
                return True
        if isinstance(message, dict):
            answer.failed_by(message)
        return False


def make_rest(experiment: Experiment, url: str, model: str | None, stream: bool, sent: Sent) -> Predictor:
    """The codec of one address and the experiment's template; without one, of Ray Serve's examples."""
    return _make(experiment, url, model, stream, sent, SENTENCE)


def make_custom_rest(experiment: Experiment, url: str, model: str | None, stream: bool, sent: Sent) -> Predictor:
    """The codec of one address and the experiment's template; without one, of FMBench 2.x's custom endpoints."""
    return _make(experiment, url, model, stream, sent, COMPLETIONS)


def make_ray_serve(experiment: Experiment, url: str, model: str | None, stream: bool, sent: Sent) -> Predictor:
    """The codec of an address that ends where the prompt goes: in `?sentence=`, or as the last part of the path."""
    base, sign, query = url.partition("?")
    others, _, name = query.removesuffix("=").rpartition("&")
    if not query.endswith("=") or "=" in name:
        return _make(experiment, url, model, stream, sent, LAST_IN_PATH)
    shorter = f"{base}{sign}{others}".removesuffix("?")
    return _make(experiment, shorter, model, stream, sent, replace(SENTENCE, query={name: "{prompt}"}))


def _make(
    experiment: Experiment, url: str, model: str | None, stream: bool, sent: Sent, default: RestTemplate
) -> Predictor:
    return RestPredictor(
        url,
        _template(experiment) or default,
        experiment.inference_spec.model_id or model,
        stream=stream,
        parameters=sent.parameters,
        api_key=sent.api_key,
        headers=sent.headers,
    )


def _template(experiment: Experiment) -> RestTemplate | None:
    """The experiment's own template with its paths parsed."""
    section = experiment.inference_spec.rest
    if section is None:
        return None
    return RestTemplate(
        method=section.method,
        path=section.path or "",
        query=section.query,
        body=section.body,
        text=tuple(map(path_steps, section.text)),
        prompt_tokens=_steps(section.prompt_tokens),
        completion_tokens=_steps(section.completion_tokens),
        finish_reason=_steps(section.finish_reason),
        error=path_steps(section.error),
        echoes_prompt=section.echoes_prompt,
    )


def _steps(path: str | None) -> Steps | None:
    return None if path is None else path_steps(path)


def _filled(template: Any, values: Mapping[str, Any]) -> Any:
    """A template with its placeholders replaced in one pass, without entries whose value is not given."""
    if isinstance(template, dict):
        filled = ((key, entry, _filled(entry, values)) for key, entry in template.items())
        return {key: value for key, entry, value in filled if value is not None or entry is None}
    if isinstance(template, list):
        return [_filled(entry, values) for entry in template]
    if not isinstance(template, str):
        return template
    alone = _PLACEHOLDER.fullmatch(template)
    if alone is not None:
        return values[alone[1]]
    return _PLACEHOLDER.sub(lambda match: _spelt(values[match[1]]), template)


def _spelt(value: Any) -> str:
    """A value within a text: text as it is, nothing for null, JSON for anything else."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _words(value: Any, *, whole: bool) -> str:
    """The text of a value. If the whole answer is the text, a list of texts is joined and any other value is JSON."""
    if not whole or isinstance(value, str):
        return text(value)
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return "".join(map(text, value))
    return json.dumps(value)


def _first(message: Any, steps: Steps | None) -> Any:
    return None if steps is None else next(at_path(message, steps), None)


def _before_every(steps: Steps) -> Steps:
    """The part of a path that exists even if a list on it is empty."""
    return steps[: steps.index(None)] if None in steps else steps
