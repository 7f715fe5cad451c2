"""A SkyPilot that is recorded instead of real: the commands `sky` and `ssh` as version 0.14 takes and answers them.

Machines are folders, and instances of an EC2 stand-in where `AWS_ENDPOINT_URL` names one. As with the real one, a
launch is work of a server that goes on after the command has ended, and `sky down` ends with 0 whether it has deleted
or not.
`plan.json` says by instance type what goes wrong; what is up and what was called is in files beside it.

Standard library alone, as each command is a process.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

STATE = Path(os.environ.get("SKY_STATE", "."))
FAILED, RUNNING = 100, 101


# -- state -----------------------------------------------------------------------------------------------------------


def machines() -> dict[str, dict[str, Any]]:
    return {path.stem: json.loads(path.read_text()) for path in sorted(STATE.glob("machines/*.json"))}


def write(kind: str, name: str, content: dict[str, Any]) -> None:
    path = STATE / kind / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{uuid.uuid4().hex}")
    part.write_text(json.dumps(content))
    part.replace(path)


def requests_for(machine: str) -> list[dict[str, Any]]:
    found = [json.loads(path.read_text()) for path in sorted(STATE.glob("requests/*.json"))]
    return [one for one in found if one["cluster_name"] == machine]


def plan_of(instance_type: str) -> dict[str, Any]:
    path = STATE / "plan.json"
    plan: dict[str, Any] = json.loads(path.read_text()).get(instance_type, {}) if path.exists() else {}
    return plan


def ec2(action: str, **values: Any) -> str:
    """Call EC2's query interface, unsigned but for what names the service; nothing without a stand-in."""
    address = os.environ.get("AWS_ENDPOINT_URL")
    if not address:
        return ""
    credential = "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature=x"
    body = urlencode({"Action": action, "Version": "2016-11-15", **values}).encode()
    with urlopen(Request(address, body, {"Authorization": credential})) as answer:
        text: str = answer.read().decode()
        return text


# -- the server ------------------------------------------------------------------------------------------------------


def serve_launch(request: str, machine: str, task_file: str, environment: str) -> None:
    """What SkyPilot's server does for a launch: an instance, the files, then the job."""
    task = read_task(Path(task_file))
    kind, home = task["instance_type"], STATE / "homes" / machine
    plan = plan_of(kind)
    answer = ec2("RunInstances", ImageId="ami-12c6146b", InstanceType=kind, MinCount=1, MaxCount=1)
    found = re.search(r"<instanceId>(i-\w+)</instanceId>", answer)
    facts = {"status": "INIT", "job": None, "type": kind, "instance": found and found[1], "pid": os.getpid()}
    write("machines", machine, facts)
    gate(plan, "launch")
    if plan.get("launch") == "fail":
        delete(machine)
        print(f"sky.exceptions.ResourcesUnavailableError: Failed to provision {kind} in us-east-1", file=sys.stderr)
        sys.exit(1)
    home.mkdir(parents=True, exist_ok=True)
    for remote, local in task["file_mounts"].items():
        shutil.copytree(local, home / remote.removeprefix("~/"), dirs_exist_ok=True)
    program = home / "fmbench-venv/bin/fmbench"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{os.environ["SKY_FMBENCH"]}" "$@"\n')
    program.chmod(0o755)
    write("machines", machine, {**facts, "status": "UP", "job": "RUNNING"})
    (STATE / "requests" / f"{request}.json").unlink(missing_ok=True)
    with contextlib.suppress(BrokenPipeError):
        print("Job submitted, ID: 1", flush=True)
    os.close(1)  # the command that asked may end
    os.environ.update(json.loads(environment), HOME=str(home), SKY_PLAN=json.dumps(plan))
    with (home / "job.log").open("wb") as log:
        code = subprocess.run(["bash", "-c", task["run"]], stdout=log, stderr=log, cwd=home).returncode
    if machine in machines():
        write("machines", machine, {**facts, "status": "UP", "job": "SUCCEEDED" if code == 0 else "FAILED"})


def gate(plan: dict[str, Any], point: str) -> None:
    """Stop for good where the plan says so, having said that this point is reached."""
    if plan.get("hang") == point:
        write("reached", f"{point}-{os.getpid()}", {})
        while True:
            time.sleep(60)


def read_task(path: Path) -> dict[str, Any]:
    """A task file's instance type, mounts and script: what stands in YAML as this test's writer writes it."""
    text = path.read_text()
    mounts = re.search(r"file_mounts:\n  (\S+): (.+)\n", text)
    kind, run = re.search(r"instance_type: (\S+)", text), re.search(r"run: '?(bash \S+)", text)
    if mounts is None or kind is None or run is None:
        raise ValueError(text)
    return {"instance_type": kind[1], "file_mounts": {mounts[1]: mounts[2]}, "run": run[1]}


def delete(machine: str) -> None:
    facts = machines().get(machine)
    if facts is None:
        return
    if facts["instance"]:
        ec2("TerminateInstances", **{"InstanceId.1": facts["instance"]})
    (STATE / "machines" / f"{machine}.json").unlink(missing_ok=True)


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if pid != os.getpid():
            os.killpg(pid, signal.SIGKILL)


# -- the commands ----------------------------------------------------------------------------------------------------


def launch(words: list[str]) -> int:
    parser = argparse.ArgumentParser()
    for option in ("--yes", "--detach-run"):
        parser.add_argument(option, action="store_true", required=True)
    parser.add_argument("--cluster", required=True)
    parser.add_argument("--secret", action="append", default=[])
    parser.add_argument("task")
    options = parser.parse_args(words)
    request = str(uuid.uuid4())
    given = json.dumps({name: os.environ[name] for name in options.secret})
    server = subprocess.Popen(
        [sys.executable, __file__, "serve-launch", request, options.cluster, options.task, given],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    facts = {"request_id": request, "name": "sky.launch", "cluster_name": options.cluster, "status": "RUNNING"}
    write("requests", request, {**facts, "pid": server.pid})
    assert server.stdout is not None
    print(server.stdout.read().decode(), end="")
    if options.cluster in machines() and machines()[options.cluster]["job"]:
        return 0
    (STATE / "requests" / f"{request}.json").unlink(missing_ok=True)
    return server.wait()


def down(words: list[str]) -> int:
    (yes, machine) = words
    assert yes == "--yes"
    facts = machines().get(machine)
    if facts is None:
        print("Cluster(s) not found (tip: see `sky status`).")
        return 0
    tried = len(list(STATE.glob(f"failed-downs/{machine}-*")))
    if tried < plan_of(facts["type"]).get("failed_downs", 0):
        write("failed-downs", f"{machine}-{tried}", {})
        print(f"Terminating cluster {machine}...failed. \nReason: the cloud is busy.\nCluster(s) failed. See above.")
        return 0
    for one in requests_for(machine):
        kill(one["pid"])
        (STATE / "requests" / f"{one['request_id']}.json").unlink(missing_ok=True)
    kill(facts["pid"])
    delete(machine)
    print(f"Terminating cluster {machine}...done.")
    return 0


def status(words: list[str]) -> int:
    hidden = [f"--no-show-{what}" for what in ("managed-jobs", "services", "pools")]
    assert words[:-1] == ["--refresh", *hidden, "--output", "json"], words
    found = [{"name": name, **facts} for name, facts in machines().items() if name == words[-1]]
    print("Refreshing status for 1 cluster...")
    print(json.dumps(found, indent=2))
    return 0


def logs(words: list[str]) -> int:
    machine = machines().get(words[-1])
    if words[0] != "--status":
        log = STATE / "homes" / words[-1] / "job.log"
        print(log.read_text() if log.exists() else "", end="")
        return 0
    if machine is None or machine["job"] is None:
        print(f"Cluster {words[-1]!r} does not exist.")
        return 1
    print(f"Job 1: {machine['job']}")
    return {"SUCCEEDED": 0, "FAILED": FAILED}.get(machine["job"], RUNNING)


def api(words: list[str]) -> int:
    if words[0] == "status":
        assert [*words[1:4], *words[5:]] == ["--limit", "none", "--cluster", "--output", "json"], words
        print(json.dumps(requests_for(words[4]), indent=2))
        return 0
    assert words[:2] == ["cancel", "--yes"], words
    for request in words[2:]:
        path = STATE / "requests" / f"{request}.json"
        if path.exists():
            kill(json.loads(path.read_text())["pid"])
            path.unlink()
    print(f"Cancelled {len(words) - 2} requests.")
    return 0


def ssh(words: list[str]) -> int:
    """`ssh … MACHINE tar -C FOLDER -czf - .`, and `ssh … MACHINE tail -n 1 FILE`"""
    if "tail" in words:
        machine, file = words[words.index("tail") - 1], words[-1]
        path = STATE / "homes" / machine / file
        if machine not in machines() or not path.exists():
            return 1
        print("\n".join(path.read_text().splitlines()[-1:]))
        return 0
    at = words.index("tar")
    machine, folder = words[at - 1], words[at + 2]
    home = STATE / "homes" / machine
    if machine not in machines() or not (home / folder).exists():
        print(f"ssh: Could not resolve hostname {machine}: Name or service not known", file=sys.stderr)
        return 255
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|gz") as archive:
        archive.add(home / folder, ".")
    return 0


COMMANDS = {"launch": launch, "down": down, "status": status, "logs": logs, "api": api}


def install(folder: Path) -> None:
    """Write the two commands into a folder for the PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("sky", "ssh"):
        path = folder / name
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "{__file__}" {name} "$@"\n')
        path.chmod(0o755)


def calls() -> Iterator[list[str]]:
    """What `sky` was called with, in order."""
    for line in (STATE / "calls.jsonl").read_text().splitlines():
        yield json.loads(line)


def main(words: list[str]) -> int:
    if words[0] == "serve-launch":
        serve_launch(*words[1:])
        return 0
    if words[0] == "ssh":
        return ssh(words[1:])
    with (STATE / "calls.jsonl").open("a") as file:
        file.write(json.dumps(words[1:]) + "\n")
    return COMMANDS[words[1]](words[2:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
