"""How a server is told to answer with a verdict alone, where its protocol can say so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fmbench_lib.config.platforms import BEDROCK, LLAMA_CPP, OLLAMA, OPENAI

_Constrain = Callable[[dict[str, Any]], dict[str, Any]]


def _response_format(schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "response_format": {"type": "json_schema", "json_schema": {"name": "verdict", "strict": True, "schema": schema}}
    }


def _tool(schema: dict[str, Any]) -> dict[str, Any]:
    tool = {"toolSpec": {"name": "verdict", "description": "Gives the verdict.", "inputSchema": {"json": schema}}}
    return {"toolConfig": {"tools": [tool], "toolChoice": {"tool": {"name": "verdict"}}}}


_CONSTRAIN: dict[str, _Constrain] = {
    OPENAI: _response_format,
    LLAMA_CPP: lambda schema: {"json_schema": schema},
    OLLAMA: lambda schema: {"format": schema},
    BEDROCK: _tool,
}


def constraint(protocol: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that make a server's answer satisfy a JSON Schema; none where its protocol cannot say so."""
    constrain = _CONSTRAIN.get(protocol)
    return {} if constrain is None else constrain(dict(schema))
