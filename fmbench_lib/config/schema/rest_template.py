"""The section `inference_spec.rest`: an endpoint's protocol as a template instead of a codec."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import PlainValidator

from fmbench_lib.config.problems import shown
from fmbench_lib.config.schema.json_path import path_steps
from fmbench_lib.config.schema.section import Section, described
from fmbench_lib.config.schema.values import Flag, FreeKeys, Kind, Text, one_of, reject

METHODS = ("POST", "GET", "PUT")


def _path(value: Any) -> str:
    if not isinstance(value, str):
        reject(f"is {shown(value)}; write a path into the answer, $.choices[0].text")
    try:
        path_steps(value)
    except ValueError as error:
        reject(f"is {shown(value)}; {error}")
    return value


def _paths(value: Any) -> tuple[str, ...]:
    return tuple(_path(path) for path in value) if isinstance(value, list | tuple) and value else (_path(value),)


Method = Annotated[str, PlainValidator(one_of(*METHODS)), Kind(", ".join(f"`{name}`" for name in METHODS))]
Body = Annotated[Any, Kind("any JSON value")]
JsonPath = Annotated[str, PlainValidator(_path), Kind("path into JSON")]
JsonPaths = Annotated[tuple[str, ...], PlainValidator(_paths), Kind("path into JSON, or list")]


class RestSection(Section):
    """Protocol `rest`: what is sent to an endpoint, and where its answer is found.

    In `path`, `query` and `body` these are replaced: `"{prompt}"`, `"{max_tokens}"`, `"{model}"`, `"{stream}"`, each of
    the experiment's parameters by its name, and all of them as `"{parameters}"`. Write them in quotes: braces without
    quotes are placeholders for `-A`. A text that is only a placeholder becomes the value itself, with its type; entries
    without a value are left out. Parameters that do not occur in the template are added to the body.

    Paths lead into each JSON object of the answer: `$.choices[0].text`, `$.results[*].text`; `$` is an answer that is
    itself the text.
    """

    strict: ClassVar[bool] = True

    method: Method = described("Method of the request.", "POST")
    path: Text | None = described("Added to the path of `ep_name`; replaced values are percent-encoded.", None)
    query: FreeKeys = described("Added to the query of `ep_name`.", {})
    body: Body = described("Body of the request, sent as JSON.", None, shown_default="no body")
    text: JsonPaths = described(
        "Where the text is, in a whole answer or in each message of a stream; of several, the first that exists.",
        ("$.text",),
        shown_default="`$.text`",
    )
    prompt_tokens: JsonPath | None = described("Where the number of prompt tokens is.", None)
    completion_tokens: JsonPath | None = described("Where the number of completion tokens is.", None)
    finish_reason: JsonPath | None = described("Where the reason for the answer's end is.", None)
    error: JsonPath = described("A path that exists only when the request failed.", "$.error")
    echoes_prompt: Flag = described("Whether answers begin with the prompt, which is then removed from them.", False)
