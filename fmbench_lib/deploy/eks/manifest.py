"""A manifest: read, its `${name}` filled in, and each object of it marked as the run's. Pure but for reading the file.

Every object, every pod template and every volume claim template in it gets two labels, so that what a run made is told
from what was there before, and its pods from those of others.
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

Object = dict[str, Any]
"""An object of Kubernetes, as its YAML has it."""

RUN_LABEL = "fmbench/run-id"
DEPLOYMENT_LABEL = "fmbench/deployment"
"""Holds a text that no other deployment has, of this run or another."""
EXPERIMENT_ANNOTATION = "fmbench/experiment"

CLUSTER_WIDE = frozenset((
    "Namespace", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "IngressClass", "PersistentVolume",
    "PriorityClass", "RuntimeClass", "StorageClass",
))  # fmt: skip
"""The usual kinds that are in no namespace; of others the cluster knows."""

TOKEN_NAMES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_GIVEN = re.compile(r"\$\{(\w+)\}|\$(HF_TOKEN|HUGGING_FACE_HUB_TOKEN|AWS_REGION)\b")


@dataclass(frozen=True, slots=True)
class Manifest:
    """The objects of a manifest, namespaces first, otherwise in its own order; `tokens` says whether it wants one."""

    path: Path
    objects: tuple[Object, ...]
    tokens: bool = False

    def of_kind(self, *kinds: str) -> list[Object]:
        """Its objects of these kinds."""
        return [one for one in self.objects if one["kind"] in kinds]


def manifest_path(experiment: Experiment) -> Path:
    """Where an experiment's manifest is; raises DeployError where it names none, or none that is there."""
    settings = experiment.eks
    if settings is None or not settings.manifest_file:
        raise DeployError("platform eks needs eks.manifest_file, the objects to make, or deploy: no and ep_name")
    path = Path(settings.manifest_dir or ".").expanduser() / settings.manifest_file
    if not path.is_file():
        raise DeployError(
            f"the manifest {path} was not found in the config's folder, the current one or what ships with fmbench "
            "(eks.manifest_dir, eks.manifest_file)"
        )
    return path


def read_manifest(experiment: Experiment, values: Mapping[str, str]) -> Manifest:
    """The manifest with `values` and the config's own in the place of `${name}`; raises DeployError, one line.

    A `${name}` that nobody gives is left as it is where it cannot be meant for us: shells have the same spelling.
    """
    import yaml

    path = manifest_path(experiment)
    settings = experiment.eks
    own = {} if settings is None else {name: str(value) for name, value in settings.manifest_values.items()}
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DeployError(f"{path} cannot be read: {error}") from None
    _check_used(own, _names(text), path)
    try:
        whole, used = _completed(text, {**values, **own})
        documents = list(yaml.safe_load_all(whole))
    except yaml.YAMLError as error:
        raise DeployError(f"{path} is no YAML: {' '.join(str(error).split())}") from None
    _check_used(own, used, path)
    namespace = (settings.eks_model_namespace if settings is not None else None) or "default"
    objects = [_checked(one, path, namespace) for document in documents for one in _listed(document)]
    if not objects:
        raise DeployError(f"{path} has no objects")
    objects.sort(key=lambda one: one["kind"] != "Namespace")
    return Manifest(path, tuple(objects), tokens=bool(used & set(TOKEN_NAMES)))


def _names(text: str) -> set[str]:
    return {match[1] or match[2] for match in _GIVEN.finditer(text)}


def _check_used(own: Mapping[str, str], used: set[str], path: Path) -> None:
    """See that each of the config's values has a place; raises DeployError."""
    unused = sorted(set(own) - used)
    if unused:
        raise DeployError(f"{path} has no ${{{unused[0]}}}, for which eks.manifest_values gives a value")


def _completed(text: str, values: Mapping[str, str]) -> tuple[str, set[str]]:
    """A manifest's text with its values, and the names in it; those in lines of comment stay, and do not count."""
    lines = text.splitlines(keepends=True)
    comments = _comments(lines, values)
    used = _names("".join(line for number, line in enumerate(lines) if number not in comments))
    whole = "".join(line if number in comments else filled(line, values) for number, line in enumerate(lines))
    return whole, used


def _comments(lines: Sequence[str], values: Mapping[str, str]) -> set[int]:
    """The lines of comment that hold a name, by their number; raises YAMLError.

    A line that begins with # inside a text, such as a script, is none: YAML's own scanner tells where texts end.
    """
    import yaml

    starts: dict[int, int] = {}
    whole = ""
    for number, line in enumerate(lines):
        rest = line.lstrip()
        if rest.startswith("#") and _GIVEN.search(rest):
            starts[number] = len(whole) + len(line) - len(rest)
            whole += line  # as it is: a value of several lines would break out of a comment
        else:
            whole += filled(line, values)
    if not starts:
        return set()
    tokens = [one for one in yaml.scan(whole, Loader=yaml.SafeLoader) if isinstance(one, yaml.ScalarToken)]
    spans = [(one.start_mark.index, one.end_mark.index) for one in tokens]
    return {number for number, at in starts.items() if not any(begin <= at < end for begin, end in spans)}


def filled(text: str, values: Mapping[str, str]) -> str:
    """A text with the values that there are in the place of `${name}`; `$name` only for those always given."""
    return _GIVEN.sub(lambda match: values.get(match[1] or match[2], match[0]), text)


def _listed(document: Any) -> Iterator[Any]:
    """The objects of a document: none of an empty one, several of a `List`."""
    if isinstance(document, dict) and document.get("kind") == "List":
        yield from document.get("items") or []
    elif document is not None:
        yield document


def _checked(one: Any, path: Path, namespace: str) -> Object:
    """An object that has what every one must have, and a namespace where its kind is in one."""
    for key in ("apiVersion", "kind"):
        if not isinstance(one, dict) or not isinstance(one.get(key), str):
            raise DeployError(f"{path} has a document without {key}: {str(one)[:80]}")
    metadata = one.get("metadata")
    if not isinstance(metadata, dict) or not metadata.get("name"):
        raise DeployError(f"{path} has a {one['kind']} without metadata.name, by which it would be found and deleted")
    if one["kind"] in CLUSTER_WIDE:
        return dict(one)
    return {**one, "metadata": {**metadata, "namespace": metadata.get("namespace") or namespace}}


def marked(one: Object, labels: Mapping[str, str], experiment_name: str) -> Object:
    """A copy that carries the run's marks, in its templates too."""
    made = copy.deepcopy(one)
    metadata = made["metadata"]
    metadata["annotations"] = {**(metadata.get("annotations") or {}), EXPERIMENT_ANNOTATION: experiment_name}
    for holder in (made, *_templates(made)):
        found = holder.setdefault("metadata", {})
        found["labels"] = {**(found.get("labels") or {}), **labels}
    return made


def label_text(text: str) -> str:
    """A text as a label may hold it."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-_.")[:63].rstrip("-_.")


def dns_text(text: str) -> str:
    """A text as a name may hold it: small letters, figures and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40].rstrip("-")


def _templates(value: Any) -> Iterator[dict[str, Any]]:
    """The templates of pods and volume claims at any depth, also those of kinds that nobody here knows."""
    if isinstance(value, dict):
        for key, below in value.items():
            if key == "volumeClaimTemplates" and isinstance(below, list):
                yield from (one for one in below if isinstance(one, dict))
            elif key == "template" and _is_pod(below):
                yield below
            yield from _templates(below)
    elif isinstance(value, list):
        for below in value:
            yield from _templates(below)


def pods_of(one: Object) -> list[dict[str, Any]]:
    """The specifications of the pods that an object makes."""
    found = [template["spec"] for template in _templates(one) if _is_pod(template)]
    return [one["spec"], *found] if one["kind"] == "Pod" else found


def _is_pod(template: Any) -> bool:
    spec = template.get("spec") if isinstance(template, dict) else None
    return isinstance(spec, dict) and isinstance(spec.get("containers"), list)


def named(one: Object) -> str:
    """An object as a person calls it: `Deployment llm/vllm`."""
    metadata = one["metadata"]
    where = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
    return f"{one['kind']} {where}{metadata['name']}"


def described(objects: Sequence[Object]) -> str:
    """The objects on one line, with the images and devices of those that run something."""
    return ", ".join(filter(None, (f"{named(one)}{_running(one)}" for one in objects)))


def _running(one: Object) -> str:
    pods = pods_of(one)
    if not pods:
        return ""
    containers = [container for pod in pods for container in pod["containers"]]
    images = list(dict.fromkeys(str(container.get("image")) for container in containers))
    devices: dict[str, str] = {}
    for container in containers:
        limits = (container.get("resources") or {}).get("limits") or {}
        devices.update({name: str(count) for name, count in limits.items() if "/" in name})
    count = (one.get("spec") or {}).get("replicas", 1)
    what = [f"{count} × {' + '.join(images)}", *(f"{name}: {number}" for name, number in devices.items())]
    return f" ({', '.join(what)})"
