"""Which operations of AWS the code calls, read from its syntax trees, and the IAM actions that they need.

A room of the package (a folder, or a module at its top) names the services whose clients it makes; whatever is called
there by the name of an operation of theirs is one. Names that are put together (`getattr`, paginators) are found among
the module's texts. Requests that are signed and sent without a client are known by the ends of their addresses.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import botocore.session
from botocore import xform_name
from botocore.exceptions import UnknownServiceError
from botocore.model import ServiceModel

SERVICES = frozenset(botocore.session.Session().get_available_services())
RUNTIMES = ("sagemaker-runtime", "bedrock-runtime")
TRANSFERS: Mapping[str, tuple[str, ...]] = {
    "upload_file": ("PutObject", "CreateMultipartUpload", "AbortMultipartUpload"),
    "upload_fileobj": ("PutObject", "CreateMultipartUpload", "AbortMultipartUpload"),
    "upload": ("PutObject", "CreateMultipartUpload", "AbortMultipartUpload"),
    "download_file": ("HeadObject", "GetObject"),
    "download_fileobj": ("HeadObject", "GetObject"),
    "download": ("HeadObject", "GetObject"),
}
"""What boto3 adds to S3's clients, and its transfer managers, call themselves."""

IMPORTS: Mapping[str, tuple[str, ...]] = {"sagemaker.jumpstart.model": ("GetObject", "HeadObject")}
"""SDKs that call S3 themselves: JumpStart's catalogue lies in a bucket of SageMaker's."""

PREFIXES = {"sagemaker-runtime": "sagemaker", "bedrock-runtime": "bedrock", "service-quotas": "servicequotas"}
"""Services whose actions begin otherwise than they are called."""

ACTIONS: Mapping[str, tuple[str, ...]] = {
    "s3:HeadObject": ("s3:GetObject",),
    "s3:HeadBucket": ("s3:ListBucket",),
    "s3:ListObjects": ("s3:ListBucket",),
    "s3:ListObjectsV2": ("s3:ListBucket",),
    "s3:CreateMultipartUpload": ("s3:PutObject",),
    "s3:UploadPart": ("s3:PutObject",),
    "s3:CompleteMultipartUpload": ("s3:PutObject",),
    "s3:CopyObject": ("s3:GetObject", "s3:PutObject"),
    "s3:DeleteObjects": ("s3:DeleteObject",),
    "s3:ListMultipartUploads": ("s3:ListBucketMultipartUploads",),
    "s3:ListParts": ("s3:ListMultipartUploadParts",),
    "bedrock:Converse": ("bedrock:InvokeModel",),
    "bedrock:ConverseStream": ("bedrock:InvokeModelWithResponseStream",),
    # Operations that need more than their own action:
    "sagemaker:CreateModel": ("sagemaker:CreateModel", "sagemaker:AddTags", "iam:PassRole"),
    "sagemaker:CreateEndpointConfig": ("sagemaker:CreateEndpointConfig", "sagemaker:AddTags"),
    "sagemaker:CreateEndpoint": ("sagemaker:CreateEndpoint", "sagemaker:AddTags"),
    "bedrock:CreateProvisionedModelThroughput": ("bedrock:CreateProvisionedModelThroughput", "bedrock:TagResource"),
    # The token is what images are pulled with:
    "ecr:GetAuthorizationToken": (
        "ecr:GetAuthorizationToken",
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:GetDownloadUrlForLayer",
    ),
}
"""Operations whose IAM actions are not simply called as they are."""


@dataclass(frozen=True)
class Call:
    """An operation, as `service:Operation` in IAM's spelling, and where it is called."""

    operation: str
    where: str


@dataclass
class Module:
    """What a module's syntax tree shows."""

    path: Path
    services: set[str] = field(default_factory=set)
    attributes: dict[str, int] = field(default_factory=dict)
    on_clients: dict[str, set[str]] = field(default_factory=dict)
    """What is called on a client, and the services that the client may be of."""
    texts: dict[str, int] = field(default_factory=dict)
    prefixes: dict[str, int] = field(default_factory=dict)
    imports: dict[str, int] = field(default_factory=dict)
    indirect: bool = False


@cache
def calls(package: Path) -> list[Call]:
    """Every operation that is called below `package`, with each place. The emulator only answers: it is left out."""
    rooms: dict[str, list[Module]] = {}
    for path in sorted(package.rglob("*.py")):
        room = path.relative_to(package).parts[0]
        if room != "emulator":
            rooms.setdefault(room, []).append(_read(path))
    found = [call for modules in rooms.values() for call in _in_room(modules, package)]
    return [*found, *_runtime_calls([one for modules in rooms.values() for one in modules], package)]


def unseen_clients(package: Path) -> list[str]:
    """Where a client is made of a service that is not spelt there, but by functions that only pass its name on."""
    found = []
    for path in sorted(package.rglob("*.py")):
        tree = _parsed(path)
        passing_on = {
            id(node)
            for function in ast.walk(tree)
            if isinstance(function, ast.FunctionDef) and _makes_clients(function.name)
            for node in ast.walk(function)
        }
        for node in ast.walk(tree):
            if (
                not isinstance(node, ast.Call)
                or _called(node) not in ("client", "create_client")
                or id(node) in passing_on
            ):
                continue
            if node.args and not isinstance(node.args[0], ast.Constant):
                found.append(f"{path.relative_to(package.parent)}:{node.lineno}")
    return found


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def actions(call: Call) -> tuple[str, ...]:
    """The IAM actions that an operation needs."""
    return ACTIONS.get(call.operation, (call.operation,))


@cache
def operations(service: str) -> dict[str, str]:
    """The operations of a service by their names in Python."""
    return {xform_name(name): name for name in _model(service).operation_names}


@cache
def _model(service: str) -> ServiceModel:
    return botocore.session.Session().get_service_model(service)


def _spelt(service: str, operation: str) -> str:
    return f"{PREFIXES.get(service, service)}:{operation}"


# -- what a module shows -----------------------------------------------------------------------------------------------


def _read(path: Path) -> Module:
    module = Module(path)
    tree = _parsed(path)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    clients: dict[str, set[str]] = {}
    for name, service in _client_names(tree):
        clients.setdefault(name, set()).add(service)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            _note_call(node, module)
        elif isinstance(node, ast.Attribute):
            module.attributes.setdefault(node.attr, node.lineno)
            module.on_clients.setdefault(node.attr, set()).update(_services_of(node.value, clients))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            module.texts.setdefault(node.value, node.lineno)
        elif isinstance(node, ast.JoinedStr) and node.values and isinstance(node.values[0], ast.Constant):
            module.prefixes.setdefault(str(node.values[0].value), node.lineno)
        elif isinstance(node, ast.ImportFrom) and node.module:
            module.imports.setdefault(node.module, node.lineno)
        elif isinstance(node, ast.Import):
            module.imports.update({alias.name: node.lineno for alias in node.names})
    return module


def _called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


def _note_call(node: ast.Call, module: Module) -> None:
    module.services |= {service for service in (_made(node),) if service}
    if _called(node) in ("getattr", "get_paginator", "get_waiter", "generate_presigned_url"):
        module.indirect = True


def _makes_clients(name: str) -> bool:
    """Whether a function of this name makes a client of the service that is its first argument."""
    return name.endswith("client") or name == "resource"


def _made(node: ast.expr) -> str:
    """The service of which an expression makes a client; empty where it makes none or the service is not spelt."""
    if not isinstance(node, ast.Call) or not _makes_clients(_called(node)) or not node.args:
        return ""
    first = node.args[0]
    return str(first.value) if isinstance(first, ast.Constant) and first.value in SERVICES else ""


def _client_names(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """The names that clients are given, and their services."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            pairs = (
                zip(target.elts, node.value.elts, strict=False)
                if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple)
                else [(target, node.value)]
            )
            yield from ((ast.unparse(name), _made(value)) for name, value in pairs if _made(value))


def _services_of(node: ast.expr, clients: Mapping[str, set[str]]) -> set[str]:
    named = clients.get(ast.unparse(node), set()) if clients else set()
    return named | {service for service in (_made(node),) if service}


# -- what is called ----------------------------------------------------------------------------------------------------


def _in_room(modules: list[Module], package: Path) -> Iterator[Call]:
    services = set().union(*(module.services for module in modules))
    for module in modules:
        where = module.path.relative_to(package.parent)
        own: set[str] = set()
        for service in (*sorted(module.services), *sorted(services - module.services)):
            for name, line in _named(module, service):
                if service not in module.services and name in own:
                    continue  # the module's own client has an operation of this name
                own |= {name} if service in module.services else set()
                yield Call(_spelt(service, operations(service)[name]), f"{where}:{line}")
        for names, known in ((module.attributes, TRANSFERS), (module.imports, IMPORTS)):
            transfers = "s3" in module.services or any("s3" in name for name in module.imports)
            for name in known.keys() & names.keys():
                if known is IMPORTS or transfers:
                    yield from (Call(f"s3:{one}", f"{where}:{names[name]}") for one in known[name])


def _named(module: Module, service: str) -> Iterator[tuple[str, int]]:
    """The operations of a service that a module calls, by their names in Python."""
    known = operations(service)
    for name, line in module.attributes.items():
        sure = module.on_clients.get(name, set())
        # A single word, such as `search`, is said of other things too; some names are operations of several services.
        if name in known and (service in sure or (not sure and "_" in name)):
            yield name, line
    if not module.indirect or service not in module.services:
        return
    for text, line in module.texts.items():
        if text in known and "_" in text:
            yield text, line
        for prefix in module.prefixes:
            if prefix.endswith("_") and prefix + text in known:
                yield prefix + text, line
    if "get_waiter" in module.attributes:
        yield from ((asked, module.texts[name]) for name, asked in _waiters(service).items() if name in module.texts)


def _waiters(service: str) -> dict[str, str]:
    """The waiters of a service, and the operation by which each looks."""
    try:
        model = botocore.session.Session().get_waiter_model(service)
    except UnknownServiceError:  # it has none
        return {}
    return {xform_name(name): xform_name(model.get_waiter(name).operation) for name in model.waiter_names}


def _runtime_calls(modules: list[Module], package: Path) -> Iterator[Call]:
    """Requests that are made without a client: each operation whose address ends in a text of a module."""
    for service in RUNTIMES:
        model = _model(service)
        for name in model.operation_names:
            uri = model.operation_model(name).http["requestUri"]
            if not re.match(r"/(endpoints|model)/", uri):
                continue
            end = uri.rsplit("/", 1)[-1]
            for module in modules:
                if module.path.relative_to(package).parts[0] not in ("aws", "predictors"):
                    continue
                line = _line_of_end(end, module)
                if line is not None:
                    yield Call(_spelt(service, name), f"{module.path.relative_to(package.parent)}:{line}")


def _line_of_end(end: str, module: Module) -> int | None:
    """Where a module spells the end of an address, or what is added to a shorter one."""
    for text, line in module.texts.items():
        if text in (end, f"/{end}") or (text == "-response-stream" and end == "invocations-response-stream"):
            return line
        if text.startswith("/") and text.rsplit("/", 1)[-1] == end:
            return line
    return None
