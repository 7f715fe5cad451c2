"""AWS's control planes as a platform meets them, over real HTTP in AWS's own formats, failing wherever a test wants.

It keeps what is made, so that a test can see what is left, and writes down every call.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

ACCOUNT = "123456789012"
_NAMES = {"Model": "ModelName", "EndpointConfig": "EndpointConfigName", "Endpoint": "EndpointName"}


@dataclass(frozen=True)
class Refusal:
    """An answer that is an error; `status` is HTTP's."""

    code: str
    message: str
    status: int = 400


@dataclass
class StandIn:
    """What stands, what is to go wrong, and what was asked.

    `refusals` holds, for an operation, what its next calls are answered with (the last one stays). `states` are those
    that a new endpoint or throughput passes through, one at each look; the last one stays. `until_deletable`: so many
    attempts to delete an endpoint in creation are refused. `looks_until_gone`: so often it is seen as being deleted.
    """

    partition: str = "aws"
    region: str = "us-east-1"
    url: str = ""
    things: dict[str, dict[str, dict[str, Any]]] = field(
        default_factory=lambda: {"Model": {}, "EndpointConfig": {}, "Endpoint": {}, "Throughput": {}}
    )
    refusals: dict[str, list[Refusal | None]] = field(default_factory=dict)
    states: list[str] = field(default_factory=lambda: ["Creating", "InService"])
    failure_reason: str = ""
    until_deletable: int = 0
    looks_until_gone: int = 1
    log_lines: list[str] = field(default_factory=list)
    foundation_models: dict[str, dict[str, Any]] = field(default_factory=dict)
    profiles: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    reached: threading.Event = field(default_factory=threading.Event)

    def asked(self, operation: str) -> list[dict[str, Any]]:
        """The parameters of each call of an operation."""
        return [given for name, given in self.calls if name == operation]

    def names(self) -> dict[str, list[str]]:
        """What stands, by kind; kinds of which nothing stands are left out."""
        return {kind: sorted(found) for kind, found in self.things.items() if found}

    def standing(self, kind: str, name: str, tags: list[dict[str, str]], **facts: Any) -> None:
        """Something that was there before."""
        self.things[kind][name] = {"Tags": tags, "left": ["InService"], **facts}

    # -- operations ---------------------------------------------------------------------------------------------

    def answer(self, operation: str, given: dict[str, Any]) -> dict[str, Any] | Refusal:
        self.calls.append((operation, given))
        waiting = self.refusals.get(operation, [])
        refusal = (waiting.pop(0) if len(waiting) > 1 else waiting[0]) if waiting else None
        if refusal is not None:
            return refusal
        for verb in ("Create", "Describe", "Delete"):
            kind = operation.removeprefix(verb)
            if operation.startswith(verb) and kind in _NAMES:
                found: dict[str, Any] | Refusal = getattr(self, f"_{verb.lower()}")(kind, given[_NAMES[kind]], given)
                return found
        method: dict[str, Any] | Refusal = getattr(self, re.sub("([A-Z])", r"_\1", operation).lower())(given)
        return method

    def _arn(self, kind: str, name: str) -> str:
        spelt = {"EndpointConfig": "endpoint-config", "Throughput": "provisioned-model"}.get(kind, kind.lower())
        service = "bedrock" if kind == "Throughput" else "sagemaker"
        return f"arn:{self.partition}:{service}:{self.region}:{ACCOUNT}:{spelt}/{name}"

    def _create(self, kind: str, name: str, given: dict[str, Any]) -> dict[str, Any] | Refusal:
        if name in self.things[kind]:
            return Refusal("ValidationException", f'Cannot create already existing {kind.lower()} "{name}"')
        self.things[kind][name] = {**given, "left": list(self.states), "gone_after": None}
        return {f"{kind}Arn": self._arn(kind, name)}

    def _describe(self, kind: str, name: str, given: dict[str, Any]) -> dict[str, Any] | Refusal:
        found = self.things[kind].get(name)
        if found is None:
            return Refusal("ValidationException", f'Could not find {kind.lower()} "{self._arn(kind, name)}".')
        facts = {key: value for key, value in found.items() if key not in ("left", "gone_after", "Tags")}
        facts.update({f"{kind}Arn": self._arn(kind, name), "CreationTime": 1.0, "LastModifiedTime": 1.0})
        if kind == "Endpoint":
            facts["EndpointStatus"] = self._state(kind, name, found)
            if facts["EndpointStatus"] == "Failed" and self.failure_reason:
                facts["FailureReason"] = self.failure_reason
        return facts

    def _state(self, kind: str, name: str, found: dict[str, Any]) -> str:
        if found.get("gone_after") is not None:
            found["gone_after"] -= 1
            if found["gone_after"] < 0:
                del self.things[kind][name]
            return "Deleting"
        left = found["left"]
        state: str = left.pop(0) if len(left) > 1 else left[0]
        if state == "Creating":
            self.reached.set()
        return state

    def _delete(self, kind: str, name: str, given: dict[str, Any]) -> dict[str, Any] | Refusal:
        found = self.things[kind].get(name)
        if found is None:
            return Refusal("ValidationException", f'Could not find {kind.lower()} "{self._arn(kind, name)}".')
        if kind != "Endpoint":
            del self.things[kind][name]
            return {}
        if self.until_deletable > 0:
            self.until_deletable -= 1
            return Refusal("ValidationException", f'Cannot update in-progress endpoint "{self._arn(kind, name)}".')
        found["gone_after"] = self.looks_until_gone
        return {}

    def _list_tags(self, given: dict[str, Any]) -> dict[str, Any]:
        name = given["ResourceArn"].rsplit("/", 1)[-1]
        kind = {"model": "Model", "endpoint-config": "EndpointConfig"}.get(
            given["ResourceArn"].split(":")[-1].split("/")[0], "Endpoint"
        )
        return {"Tags": self.things[kind][name].get("Tags", [])}

    def _get_caller_identity(self, given: dict[str, Any]) -> dict[str, Any]:
        return {"Account": ACCOUNT, "Arn": f"arn:{self.partition}:iam::{ACCOUNT}:user/tester", "UserId": "AIDATEST"}

    def _describe_log_streams(self, given: dict[str, Any]) -> dict[str, Any] | Refusal:
        if not self.log_lines:
            return Refusal("ResourceNotFoundException", "The specified log group does not exist.")
        return {"logStreams": [{"logStreamName": "AllTraffic/i-1"}]}

    def _get_log_events(self, given: dict[str, Any]) -> dict[str, Any]:
        return {"events": [{"timestamp": n, "message": line} for n, line in enumerate(self.log_lines)]}

    # -- Bedrock ------------------------------------------------------------------------------------------------

    def _get_foundation_model(self, given: dict[str, Any]) -> dict[str, Any] | Refusal:
        found = self.foundation_models.get(given["id"])
        if found is None:
            return Refusal("ValidationException", "The provided model identifier is invalid.")
        return {"modelDetails": {"modelArn": f"arn:aws:bedrock:us-east-1::foundation-model/{given['id']}", **found}}

    def _get_inference_profile(self, given: dict[str, Any]) -> dict[str, Any] | Refusal:
        found = self.profiles.get(given["id"])
        return Refusal("ResourceNotFoundException", "Inference profile not found.", 404) if found is None else found

    def _create_provisioned_model_throughput(self, given: dict[str, Any]) -> dict[str, Any]:
        name = given["provisionedModelName"]
        self.things["Throughput"][name] = {**given, "left": list(self.states)}
        return {"provisionedModelArn": self._arn("Throughput", name)}

    def _get_provisioned_model_throughput(self, given: dict[str, Any]) -> dict[str, Any] | Refusal:
        name = given["id"].rsplit("/", 1)[-1]
        found = self.things["Throughput"].get(name)
        if found is None:
            return Refusal("ResourceNotFoundException", "Could not find the provisioned model.", 404)
        facts = {
            "provisionedModelArn": self._arn("Throughput", name),
            "provisionedModelName": name,
            "status": self._state("Throughput", name, found),
        }
        return {**facts, "failureMessage": self.failure_reason} if self.failure_reason else facts

    def _delete_provisioned_model_throughput(self, given: dict[str, Any]) -> dict[str, Any] | Refusal:
        if self.until_deletable > 0:
            self.until_deletable -= 1
            return Refusal("ConflictException", "The provisioned model is being created.", 409)
        self.things["Throughput"].pop(given["id"].rsplit("/", 1)[-1], None)
        return {}

    def _list_tags_for_resource(self, given: dict[str, Any]) -> dict[str, Any]:
        return {"tags": self.things["Throughput"][given["resourceARN"].rsplit("/", 1)[-1]]["tags"]}


_BEDROCK = {
    ("GET", "foundation-models"): "GetFoundationModel",
    ("GET", "inference-profiles"): "GetInferenceProfile",
    ("POST", "provisioned-model-throughput"): "CreateProvisionedModelThroughput",
    ("GET", "provisioned-model-throughput"): "GetProvisionedModelThroughput",
    ("DELETE", "provisioned-model-throughput"): "DeleteProvisionedModelThroughput",
    ("POST", "listTagsForResource"): "ListTagsForResource",
}


class _Handler(BaseHTTPRequestHandler):
    """Reads JSON 1.1 (SageMaker, CloudWatch Logs), query and XML (STS), REST and JSON (Bedrock)."""

    stand_in: StandIn
    lock: threading.Lock
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes: the second would wait for an acknowledgement

    def do_POST(self) -> None:
        self._serve()

    def do_GET(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def log_message(self, *_: Any) -> None:
        pass

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        target = self.headers.get("X-Amz-Target")
        if target is not None:
            self._reply(target.rpartition(".")[2], json.loads(body or "{}"), "json")
        elif self.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
            given = {name: values[0] for name, values in parse_qs(body).items()}
            self._reply(given["Action"], given, "xml")
        else:
            first, _, rest = urlsplit(self.path).path.lstrip("/").partition("/")
            operation = _BEDROCK[self.command, first]
            self._reply(operation, {"id": unquote(rest), **json.loads(body or "{}")}, "rest")

    def _reply(self, operation: str, given: dict[str, Any], form: str) -> None:
        with self.lock:
            answer = self.stand_in.answer(operation, given)
        if form == "xml":
            status, content = _xml(operation, answer)
        elif isinstance(answer, Refusal):
            status, content = answer.status, json.dumps({"__type": answer.code, "message": answer.message}).encode()
        else:
            status, content = 200, json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/xml" if form == "xml" else "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(content)))
        if isinstance(answer, Refusal):
            self.send_header("x-amzn-errortype", answer.code)
        self.end_headers()
        self.wfile.write(content)


def _xml(operation: str, answer: dict[str, Any] | Refusal) -> tuple[int, bytes]:
    space = 'xmlns="https://sts.amazonaws.com/doc/2011-06-15/"'
    if isinstance(answer, Refusal):
        error = f"<Error><Type>Sender</Type><Code>{answer.code}</Code><Message>{answer.message}</Message></Error>"
        return answer.status, f"<ErrorResponse {space}>{error}</ErrorResponse>".encode()
    inner = "".join(f"<{key}>{value}</{key}>" for key, value in answer.items())
    result = f"<{operation}Response {space}><{operation}Result>{inner}</{operation}Result></{operation}Response>"
    return 200, result.encode()


@contextmanager
def stand_in(**facts: Any) -> Iterator[StandIn]:
    """A stand-in that listens; its `url` is what AWS_ENDPOINT_URL is to be."""
    made = StandIn(**facts)
    handler = type("Handler", (_Handler,), {"stand_in": made, "lock": threading.Lock()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
