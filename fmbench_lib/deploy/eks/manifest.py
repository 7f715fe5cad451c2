"""A manifest: read, its `${name}` placeholders filled in, and its objects labelled as the run's. Pure apart from
reading the file.

Every object, pod template and volume claim template gets two labels, which tell what a run created from what existed
before, and its pods from those of others.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fmbench_lib.config import Experiment
from fmbench_lib.errors import DeployError
from fmbench_lib.host.paths import expanded

Object = dict[str, Any]
"""A Kubernetes object, or a part of one, as its YAML has it."""

RUN_LABEL = "fmbench/run-id"
DEPLOYMENT_LABEL = "fmbench/deployment"
"""Its value is unique to a deployment, across runs."""
EXPERIMENT_ANNOTATION = "fmbench/experiment"

CLUSTER_WIDE = frozenset((
    "Namespace", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "IngressClass", "PersistentVolume",
    "PriorityClass", "RuntimeClass", "StorageClass",
))  # fmt: skip
"""The common kinds that belong to no namespace; the cluster knows about all others."""

TOKEN_NAMES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_PLACEHOLDER = re.compile(r"\$\{(\w+)\}|\$(HF_TOKEN|HUGGING_FACE_HUB_TOKEN|AWS_REGION)\b")


@dataclass(frozen=True, slots=True)
class Manifest:
    """The objects of a manifest, namespaces first, otherwise in file order; `tokens` is True where it uses a Hugging
    Face token."""

    path: Path
    objects: tuple[Object, ...]
    tokens: bool = False


def manifest_path(experiment: Experiment) -> Path:
    """The path of an experiment's manifest. Raises DeployError where the config names none, or it does not exist."""
    settings = experiment.eks
    if settings is None or not settings.manifest_file:
        raise DeployError("platform eks needs eks.manifest_file, the objects to create, or deploy: no and ep_name")
    path = expanded(settings.manifest_dir or ".") / settings.manifest_file
    if not path.is_file():
        raise DeployError(
            f"the manifest {path} was not found in the config's folder, the current one or what ships with fmbench "
            "(eks.manifest_dir, eks.manifest_file)"
        )
    return path


def read_manifest(experiment: Experiment, values: Mapping[str, str]) -> Manifest:
    """The manifest, with `values` and the config's own values in place of `${name}`. Raises DeployError, one line.

    A `${name}` without a value is left as it is, since shell scripts use the same notation.
    """
    import yaml

    path = manifest_path(experiment)
    settings = experiment.eks
    manifest_values = {} if settings is None else {name: str(value) for name, value in settings.manifest_values.items()}
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DeployError(f"cannot read {path}: {error}") from None
    _check_used(manifest_values, _names(text), path)
    try:
        completed, used = _completed(text, {**values, **manifest_values})
        documents = list(yaml.safe_load_all(completed))
    except yaml.YAMLError as error:
        raise DeployError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    _check_used(manifest_values, used, path)
    namespace = (settings.eks_model_namespace if settings is not None else None) or "default"
    objects = [_checked(item, path, namespace) for document in documents for item in _listed(document)]
    if not objects:
        raise DeployError(f"{path} has no objects")
    objects.sort(key=lambda item: item["kind"] != "Namespace")
    return Manifest(path, tuple(objects), tokens=bool(used & set(TOKEN_NAMES)))


def _names(text: str) -> set[str]:
    return {match[1] or match[2] for match in _PLACEHOLDER.finditer(text)}


def _check_used(manifest_values: Mapping[str, str], used: set[str], path: Path) -> None:
    """Raise DeployError for a config value that the manifest has no placeholder for."""
    unused = sorted(set(manifest_values) - used)
    if unused:
        raise DeployError(f"{path} has no ${{{unused[0]}}}, but eks.manifest_values sets it")


def _completed(text: str, values: Mapping[str, str]) -> tuple[str, set[str]]:
    """A manifest's text with its values filled in, and the names it uses. Comment lines are left alone and do not
    count."""
    lines = text.splitlines(keepends=True)
    comments = _comments(lines, values)
    used = _names("".join(line for number, line in enumerate(lines) if number not in comments))
    completed = "".join(line if number in comments else filled(line, values) for number, line in enumerate(lines))
    return completed, used


def _comments(lines: Sequence[str], values: Mapping[str, str]) -> set[int]:
    """The numbers of the comment lines that contain a placeholder. Raises YAMLError.

    A line that begins with # inside a block of text, such as a script, is not a comment: YAML's scanner tells where
    texts end.
    """
    import yaml

    comment_starts: dict[int, int] = {}
    text = ""
    for number, line in enumerate(lines):
        rest = line.lstrip()
        if rest.startswith("#") and _PLACEHOLDER.search(rest):
            comment_starts[number] = len(text) + len(line) - len(rest)
            text += line  # unfilled: a value of several lines would break out of the comment
        else:
            text += filled(line, values)
    if not comment_starts:
        return set()
    tokens = [token for token in yaml.scan(text, Loader=yaml.SafeLoader) if isinstance(token, yaml.ScalarToken)]
    spans = [(token.start_mark.index, token.end_mark.index) for token in tokens]
    return {number for number, start in comment_starts.items() if not any(begin <= start < end for begin, end in spans)}


def filled(text: str, values: Mapping[str, str]) -> str:
    """A text with the available values in place of `${name}`, and of `$name` for the names that fmbench always sets."""
    return _PLACEHOLDER.sub(lambda match: values.get(match[1] or match[2], match[0]), text)


def _listed(document: Any) -> Iterator[Any]:
    """The objects of a document: none for an empty one, several for a `List`."""
    if isinstance(document, dict) and document.get("kind") == "List":
        yield from document.get("items") or []
    elif document is not None:
        yield document


def _checked(item: Any, path: Path, namespace: str) -> Object:
    """The object, checked for the required keys, and given a namespace where its kind has one."""
    for key in ("apiVersion", "kind"):
        if not isinstance(item, dict) or not isinstance(item.get(key), str):
            raise DeployError(f"{path} has a document without {key}: {str(item)[:80]}")
    metadata = item.get("metadata")
    if not isinstance(metadata, dict) or not metadata.get("name"):
        raise DeployError(f"{path} has a {item['kind']} without metadata.name, which identifies it for deletion")
    if item["kind"] in CLUSTER_WIDE:
        return dict(item)
    return {**item, "metadata": {**metadata, "namespace": metadata.get("namespace") or namespace}}


def marked(item: Object, labels: Mapping[str, str], experiment_name: str) -> Object:
    """A copy that carries the run's labels, in its templates too."""
    labelled = copy.deepcopy(item)
    metadata = labelled["metadata"]
    metadata["annotations"] = {**(metadata.get("annotations") or {}), EXPERIMENT_ANNOTATION: experiment_name}
    for holder in (labelled, *_templates(labelled)):
        holder_metadata = holder.setdefault("metadata", {})
        holder_metadata["labels"] = {**(holder_metadata.get("labels") or {}), **labels}
    return labelled


def label_text(text: str) -> str:
    """A text converted to a valid label value."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-_.")[:63].rstrip("-_.")


def dns_text(text: str) -> str:
    """A text converted to a valid object name: lower case letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40].rstrip("-")


def _templates(value: Any) -> Iterator[Object]:
    """The templates of pods and volume claims at any depth, also in custom kinds."""
    if isinstance(value, dict):
        for key, nested in value.items():
            if key == "volumeClaimTemplates" and isinstance(nested, list):
                yield from (template for template in nested if isinstance(template, dict))
            elif key == "template" and _is_pod(nested):
                yield nested
            yield from _templates(nested)
    elif isinstance(value, list):
        for nested in value:
            yield from _templates(nested)


def pods_of(item: Object) -> list[Object]:
    """The pod specifications that an object contains."""
    specs = [template["spec"] for template in _templates(item) if _is_pod(template)]
    return [item["spec"], *specs] if item["kind"] == "Pod" else specs


def _is_pod(template: Any) -> bool:
    spec = template.get("spec") if isinstance(template, dict) else None
    return isinstance(spec, dict) and isinstance(spec.get("containers"), list)


def named(item: Object) -> str:
    """An object's name in messages: `Deployment llm/vllm`."""
    metadata = item["metadata"]
    namespace = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
    return f"{item['kind']} {namespace}{metadata['name']}"


def described(objects: Sequence[Object]) -> str:
    """The objects on one line, with images and devices of those that run containers."""
    return ", ".join(filter(None, (f"{named(item)}{_running(item)}" for item in objects)))


def _running(item: Object) -> str:
    pods = pods_of(item)
    if not pods:
        return ""
    containers = [container for pod in pods for container in pod["containers"]]
    images = list(dict.fromkeys(str(container.get("image")) for container in containers))
    devices: dict[str, str] = {}
    for container in containers:
        limits = (container.get("resources") or {}).get("limits") or {}
        devices.update({name: str(count) for name, count in limits.items() if "/" in name})
    count = (item.get("spec") or {}).get("replicas", 1)
    parts = [f"{count} × {' + '.join(images)}", *(f"{name}: {number}" for name, number in devices.items())]
    return f" ({', '.join(parts)})"
