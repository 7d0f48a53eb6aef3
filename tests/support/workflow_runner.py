"""Runs the workflows' own shell steps here, as GitHub's runner would, and judges their files.

The YAML is read as it stands: jobs in the order of their needs, a matrix from a job's output, `if:`,
`env:` and `with:` through a small evaluator that raises on every expression it does not know, each
`run:` by bash in a workspace of its own with the runner's files and variables. Checkout copies a
folder, artifacts are folders, the action of this repository puts the installed command on the PATH;
any other `uses:` is an error. A job's token may write only where its permissions say so, and only a
job with `id-token: write` can sign in: a fork's never.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from ruamel.yaml import YAML

from reconciler.sandbox.server import SandboxServer
from reconciler.sandbox.state import SandboxState
from tests.support.github_server import (
    ACTIONS_TOKEN,
    FORK_TOKEN,
    REPOSITORY,
    GitHubServer,
)
from tests.support.recorded_sandbox import RecordedSandbox
from tests.support.run_cli import copy_example, give_tenant, kept_tenant
from tests.support.run_cli import run as run_cli

REPOSITORY_ROOT = Path(__file__).parents[2]
WORKFLOWS = REPOSITORY_ROOT / ".github" / "workflows"
ACTION = REPOSITORY_ROOT / ".github" / "actions" / "reconciler"
OUR_ACTION = "$/.github/actions/reconciler"
GRAPH_TOKEN = "Canary0fTheGraphToken"
CANARIES = (ACTIONS_TOKEN, FORK_TOKEN, GRAPH_TOKEN)
TENANT = "7d2f9a54-51d8-4c0e-9b57-0c1f5d6c7a11"
TIME_LIMIT = 60.0


def read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = YAML(typ="safe", pure=True).load(path.read_text())
    return document


# Expressions


class UnknownExpressionError(Exception):
    """The evaluator does not know it, so what GitHub would make of it is not known here."""


_TOKENS = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>\d+)|(?P<sign>==|!=|&&|\|\||!|\(|\)|,)"
    r"|(?P<word>[A-Za-z_][\w-]*(?:\.(?:[A-Za-z_][\w-]*|\*))*))"
)


@dataclass
class Scope:
    """What expressions can see. ``failed`` says that an earlier step, or a needed job, failed."""

    contexts: Mapping[str, Any]
    failed: bool = False
    workspace: Path | None = None

    def value(self, text: str) -> Any:
        """Evaluate one expression, without its braces."""
        return _Reader(text, self).whole()

    def text(self, template: object) -> str:
        """Fill a template in."""
        return _text(self.fill(template))

    def fill(self, template: object) -> Any:
        if not isinstance(template, str):
            return template
        whole = re.fullmatch(r"\$\{\{((?:(?!\}\}).)*)\}\}", template, re.DOTALL)
        if whole:
            return self.value(whole[1])
        return re.sub(r"\$\{\{(.*?)\}\}", lambda m: _text(self.value(m[1])), template)

    def holds(self, condition: object) -> bool:
        """Whether an `if:` lets its step or job run; without a status function, success is due."""
        if condition is None:
            return not self.failed
        said = str(condition).strip()
        inner = re.fullmatch(r"\$\{\{(.*)\}\}", said, re.DOTALL)
        said = inner[1] if inner else said
        found = _truth(self.value(said))
        if re.search(r"\b(always|cancelled|failure|success)\(", said):
            return found
        return found and not self.failed


class _Reader:
    def __init__(self, text: str, scope: Scope) -> None:
        self.source, self.scope = text, scope
        self.tokens: list[tuple[str, str]] = []
        at = 0
        stripped = text.rstrip()
        while at < len(stripped):
            match = _TOKENS.match(stripped, at)
            if match is None:
                raise UnknownExpressionError(text)
            self.tokens.append((match.lastgroup or "", match[match.lastgroup or ""]))
            at = match.end()

    def whole(self) -> Any:
        found = self._or()
        if self.tokens:
            raise UnknownExpressionError(self.source)
        return found

    def _take(self, *signs: str) -> str | None:
        if self.tokens and self.tokens[0][0] == "sign" and self.tokens[0][1] in signs:
            return self.tokens.pop(0)[1]
        return None

    def _or(self) -> Any:
        left = self._and()
        while self._take("||"):
            right = self._and()
            left = left if _truth(left) else right
        return left

    def _and(self) -> Any:
        left = self._equal()
        while self._take("&&"):
            right = self._equal()
            left = right if _truth(left) else left
        return left

    def _equal(self) -> Any:
        left = self._not()
        while sign := self._take("==", "!="):
            same = _same(left, self._not())
            left = same if sign == "==" else not same
        return left

    def _not(self) -> Any:
        if self._take("!"):
            return not _truth(self._not())
        if self._take("("):
            found = self._or()
            if not self._take(")"):
                raise UnknownExpressionError(self.source)
            return found
        return self._atom()

    def _atom(self) -> Any:
        if not self.tokens or self.tokens[0][0] == "sign":
            raise UnknownExpressionError(self.source)
        kind, said = self.tokens.pop(0)
        if kind == "text":
            return said[1:-1].replace("''", "'")
        if kind == "number":
            return int(said)
        if self._take("("):
            arguments = []
            while not self._take(")"):
                arguments.append(self._or())
                self._take(",")
            return self._call(said, arguments)
        if said in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[said]
        return self._look_up(said)

    def _call(self, name: str, arguments: list[Any]) -> Any:
        match name, arguments:
            case "always", []:
                return True
            case "cancelled", []:
                return False
            case "failure", []:
                return self.scope.failed
            case "success", []:
                return not self.scope.failed
            case "fromJSON", [str(text)]:
                return json.loads(text)
            case "hashFiles", [str(pattern)] if self.scope.workspace is not None:
                files = sorted(self.scope.workspace.glob(pattern))
                content = b"".join(file.read_bytes() for file in files)
                return hashlib.sha256(content).hexdigest() if files else ""
        raise UnknownExpressionError(f"{name}({arguments}) in {self.source}")

    def _look_up(self, path: str) -> Any:
        first, *rest = path.split(".")
        if first not in self.scope.contexts:
            raise UnknownExpressionError(path)
        found = self.scope.contexts[first]
        for name in rest:
            if found is None:  # a part of the event that is null has null parts
                return None
            if not isinstance(found, Mapping) or name not in found:
                raise UnknownExpressionError(path)
            found = found[name]
        return found


def _truth(value: Any) -> bool:
    return value not in (None, False, 0, "")


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        return left.casefold() == right.casefold()
    if type(left) is not type(right):
        return _text(left) == _text(right)
    return bool(left == right)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    raise UnknownExpressionError(f"{value!r} in the middle of a text")


# What a run leaves


@dataclass
class StepRun:
    name: str
    outcome: str
    code: int = 0
    log: str = ""
    summary: str = ""
    outputs: dict[str, str] = field(default_factory=dict)


@dataclass
class JobRun:
    id: str
    name: str
    result: str
    environment: str | None = None
    group: str | None = None
    steps: list[StepRun] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)

    @property
    def log(self) -> str:
        return "".join(step.log for step in self.steps)

    @property
    def summary(self) -> str:
        return "".join(step.summary for step in self.steps)

    def step(self, name: str) -> StepRun:
        return next(step for step in self.steps if step.name == name)


@dataclass
class Run:
    """One run of a workflow: its jobs by name, and its artifacts as folders."""

    jobs: dict[str, JobRun]
    artifacts: dict[str, Path]

    @property
    def result(self) -> str:
        results = {job.result for job in self.jobs.values()}
        return "failure" if "failure" in results else "success"

    def __getitem__(self, name: str) -> JobRun:
        return self.jobs[name]

    @property
    def results(self) -> dict[str, str]:
        return {name: job.result for name, job in self.jobs.items()}

    @property
    def log(self) -> str:
        return "".join(job.log for job in self.jobs.values())


@dataclass
class Event:
    """What started a run. ``artifacts`` are those of the run that a workflow_run tells of."""

    name: str
    sha: str
    payload: dict[str, Any] = field(default_factory=dict)
    ref: str = "refs/heads/main"
    inputs: dict[str, str] = field(default_factory=dict)
    from_fork: bool = False
    artifacts: dict[str, Path] = field(default_factory=dict)


# Running


@dataclass
class Runner:
    """Runs workflows. ``sources`` says which folder a commit or a ref holds, and which commit it is."""

    folder: Path
    github: GitHubServer
    sources: Callable[[str], tuple[Path, str]]
    sign_in: Callable[[Mapping[str, str]], Mapping[str, str]]
    workflows: Path = WORKFLOWS
    action: Path = ACTION
    count: int = 0

    def run(self, workflow: str, event: Event) -> Run:
        """Run a whole workflow, to the end of every job that its event lets run."""
        self.count += 1
        document = read(self.workflows / workflow)
        run = Run({}, {})
        needs: dict[str, Any] = {}
        declared = _dispatch_inputs(document)
        contexts: dict[str, Any] = {
            "github": {
                "event": event.payload,
                "event_name": event.name,
                "repository": REPOSITORY,
                "run_id": str(self.count),
                "sha": event.sha,
                "ref": event.ref,
            },
            "vars": {"AZURE_CLIENT_ID": "11111111-2222-4333-8444-555555555555"},
            "inputs": {name: event.inputs.get(name, "") for name in declared},
        }
        Scope(contexts).text(document["concurrency"]["group"])
        for id, job in document["jobs"].items():
            wanted = job.get("needs", [])
            names = [wanted] if isinstance(wanted, str) else wanted
            seen = {name: needs[name] for name in names}
            failed = any(need["result"] != "success" for need in seen.values())
            scope = Scope({**contexts, "needs": seen}, failed=failed)
            if not scope.holds(job.get("if")):
                needs[id] = {"result": "skipped", "outputs": {}}
                run.jobs[id] = JobRun(id, id, "skipped")
                continue
            ran = [
                _JobRunner(self, run, event, id, job, scope, matrix).run()
                for matrix in _matrix(job, scope)
            ]
            run.jobs |= {made.name: made for made in ran}
            bad = any(made.result == "failure" for made in ran)
            needs[id] = {"result": "failure" if bad else "success", "outputs": ran[-1].outputs}
        return run


def _dispatch_inputs(document: Mapping[Any, Any]) -> Mapping[str, Any]:
    # YAML 1.1 reads the key `on` as true, 1.2 as text.
    triggers = document.get("on", document.get(True))
    dispatch = triggers.get("workflow_dispatch") if isinstance(triggers, Mapping) else None
    return (dispatch or {}).get("inputs", {})


def _matrix(job: Mapping[str, Any], scope: Scope) -> list[dict[str, str]]:
    if "strategy" not in job:
        return [{}]
    matrix = scope.fill(job["strategy"]["matrix"])
    if list(matrix) != ["include"]:
        raise UnknownExpressionError(f"a matrix of {list(matrix)}")
    return list(matrix["include"])


class _JobRunner:
    def __init__(
        self,
        runner: Runner,
        run: Run,
        event: Event,
        id: str,
        job: Mapping[str, Any],
        scope: Scope,
        matrix: Mapping[str, str],
    ) -> None:
        self.runner, self.whole, self.event, self.job, self.matrix = runner, run, event, job, matrix
        self.home = (
            runner.folder / f"run-{runner.count}" / f"{id}-{len(run.jobs)}-{matrix.get('slug', '')}"
        )
        self.workspace = self.home / "workspace"
        self.workspace.mkdir(parents=True)
        (self.home / "temp").mkdir()
        (self.home / "event.json").write_text(json.dumps(event.payload))
        self.permissions = job["permissions"]
        writes = "write" in (
            self.permissions.get("pull-requests"),
            self.permissions.get("issues"),
        )
        self.token = ACTIONS_TOKEN if writes and not event.from_fork else FORK_TOKEN
        self.steps: dict[str, Any] = {}
        github = {**scope.contexts["github"], "token": self.token}
        self.scope = Scope(
            {**scope.contexts, "github": github, "matrix": matrix, "steps": self.steps},
            workspace=self.workspace,
        )
        self.path = [self.home / "bin", Path("/usr/bin"), Path("/bin")]
        self.env: dict[str, str] = {
            name: self.scope.text(value) for name, value in job.get("env", {}).items()
        }
        environment = job.get("environment")
        concurrency = job.get("concurrency")
        self.made = JobRun(
            id,
            self.scope.text(job.get("name", id)),
            "success",
            environment=None if environment is None else self.scope.text(environment),
            group=None if concurrency is None else self.scope.text(concurrency["group"]),
        )

    def run(self) -> JobRun:
        for number, step in enumerate(self.job["steps"]):
            name = step.get("name") or step.get("uses", "").partition("@")[0] or "run"
            if not self.scope.holds(step.get("if")):
                self.made.steps.append(StepRun(name, "skipped"))
                continue
            ran = self._use(step, name) if "uses" in step else self._shell(step, name, number)
            self.made.steps.append(ran)
            if "id" in step:
                self.steps[step["id"]] = {"outputs": ran.outputs, "outcome": ran.outcome}
            if ran.outcome == "failure":
                self.scope.failed = True
                self.made.result = "failure"
        self.made.outputs = {
            name: self._output(value) for name, value in self.job.get("outputs", {}).items()
        }
        return self.made

    def _output(self, value: str) -> str:
        try:
            return self.scope.text(value)
        except UnknownExpressionError:
            if self.made.result == "success":
                raise
            return ""  # its step did not come to it

    def _shell(self, step: Mapping[str, Any], name: str, number: int) -> StepRun:
        env = {key: self.scope.text(value) for key, value in step.get("env", {}).items()}
        if step.get("shell", "bash") != "bash" or "working-directory" in step:
            raise UnknownExpressionError(f"the step {name} asks for a shell or a folder")
        options = ["-e"] if "shell" not in step else ["--noprofile", "--norc", "-eo", "pipefail"]
        return self.execute(step["run"], name, f"step-{number}", options, env)

    def execute(
        self, script: str, name: str, slot: str, options: list[str], env: Mapping[str, str]
    ) -> StepRun:
        files = {key: self.home / f"{slot}.{key}" for key in ("output", "summary", "path", "sh")}
        for file in files.values():
            file.touch()
        files["sh"].write_text(script)
        done = subprocess.run(
            ["/bin/bash", *options, str(files["sh"])],
            cwd=self.workspace,
            env={**self._variables(files), **self.env, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIME_LIMIT,
            check=False,
        )
        log = done.stdout.decode()
        self.path[:0] = [Path(line) for line in files["path"].read_text().splitlines()]
        outputs = outputs_of(files["output"].read_text())
        summary = files["summary"].read_text()
        shown = "".join(
            line for line in log.splitlines(True) if not line.startswith("::add-mask::")
        )
        for canary in CANARIES:
            assert canary not in shown + summary + str(outputs), f"{name} shows a secret"
        assert "\x1b" not in log + summary, f"{name} writes colour codes"
        outcome = "success" if done.returncode == 0 else "failure"
        return StepRun(name, outcome, done.returncode, log, summary, outputs)

    def _variables(self, files: Mapping[str, Path]) -> dict[str, str]:
        event = self.event
        may_sign_in = self.permissions.get("id-token") == "write" and not event.from_fork
        return {
            "PATH": os.pathsep.join(map(str, self.path)),
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": self.runner.github.api_url,
            "GITHUB_SERVER_URL": self.runner.github.root,
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_EVENT_NAME": event.name,
            "GITHUB_EVENT_PATH": str(self.home / "event.json"),
            "GITHUB_SHA": event.sha,
            "GITHUB_REF": event.ref,
            "GITHUB_REF_NAME": event.ref.removeprefix("refs/heads/").removeprefix("refs/"),
            "GITHUB_RUN_ID": str(self.runner.count),
            "GITHUB_WORKSPACE": str(self.workspace),
            "GITHUB_OUTPUT": str(files["output"]),
            "GITHUB_STEP_SUMMARY": str(files["summary"]),
            "GITHUB_PATH": str(files["path"]),
            "RUNNER_TEMP": str(self.home / "temp"),
            **(self.runner.sign_in(self.matrix) if may_sign_in else {}),
        }

    def _use(self, step: Mapping[str, Any], name: str) -> StepRun:
        action = step["uses"].partition("@")[0]
        options = {key: self.scope.fill(value) for key, value in step.get("with", {}).items()}
        match action:
            case "actions/checkout":
                return self._check_out(options, name)
            case "actions/upload-artifact":
                return self._upload(options, name)
            case "actions/download-artifact":
                return self._download(options, name)
        if step["uses"] == OUR_ACTION and not options:
            self._install()
            return StepRun(name, "success")
        raise UnknownExpressionError(f"uses: {step['uses']} with {options}")

    def _install(self) -> None:
        commands = self.home / "bin"
        commands.mkdir(exist_ok=True)
        link = commands / "reconciler"
        if not link.is_symlink():
            link.symlink_to(Path(sys.prefix) / "bin" / "reconciler")

    def _check_out(self, options: dict[str, Any], name: str) -> StepRun:
        if options.pop("persist-credentials") is not False or set(options) - {"ref"}:
            raise UnknownExpressionError(f"checkout with {options}")
        source, commit = self.runner.sources(options.get("ref") or self.event.sha)
        shutil.copytree(source, self.workspace, dirs_exist_ok=True)
        return StepRun(name, "success", outputs={"commit": commit})

    def _upload(self, options: dict[str, Any], name: str) -> StepRun:
        artifact, path = options.pop("name"), self.workspace / options.pop("path")
        if set(options) - {"retention-days"}:
            raise UnknownExpressionError(f"upload-artifact with {options}")
        if re.search(r'["<>|*?\r\n\\/:]', artifact) or artifact in self.whole.artifacts:
            return StepRun(name, "failure", 1, f"Error: {artifact!r} is no name for an artifact\n")
        if path.is_dir() and any(path.iterdir()):
            self.whole.artifacts[artifact] = shutil.copytree(
                path, self.home / "artifacts" / artifact
            )
        return StepRun(name, "success")

    def _download(self, options: dict[str, Any], name: str) -> StepRun:
        into = self.workspace / options.pop("path")
        is_foreign = options.pop("run-id", None) is not None
        if is_foreign:
            assert options.pop("github-token") == self.token
            assert self.permissions["actions"] == "read"
        found = self.event.artifacts if is_foreign else self.whole.artifacts
        if "name" in options:
            wanted = options.pop("name")
            if wanted not in found:
                return StepRun(name, "failure", 1, f"Error: no artifact {wanted}\n")
            shutil.copytree(found[wanted], into)
        else:
            pattern = options.pop("pattern")
            for artifact in fnmatch.filter(found, pattern):
                shutil.copytree(found[artifact], into / artifact)
        if options:
            raise UnknownExpressionError(f"download-artifact with {options}")
        return StepRun(name, "success")


def outputs_of(text: str) -> dict[str, str]:
    """Read the file of GITHUB_OUTPUT as the runner does."""
    return dict(_outputs(text))


def _outputs(text: str) -> Iterator[tuple[str, str]]:
    lines = iter(text.splitlines())
    for line in lines:
        name, equals, value = line.partition("=")
        heredoc = re.fullmatch(r"([^=]+?)<<(.+)", line)
        if heredoc:
            held = []
            for held_line in lines:
                if held_line == heredoc[2]:
                    break
                held.append(held_line)
            else:
                raise AssertionError(f"the output {heredoc[1]} never ends")
            yield heredoc[1], "\n".join(held)
        elif equals:
            yield name, value
        elif line:
            raise AssertionError(f"no output: {line!r}")


# The rules that every workflow keeps


def broken_rules(path: Path) -> list[str]:
    """Name every rule that a workflow file breaks."""
    text, document = path.read_text(), read(path)
    found: list[str] = []
    if document.get("permissions") != {}:
        found.append("permissions at the top are not empty")
    if "concurrency" not in document:
        found.append("no concurrency")
    pin = re.compile(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    found += [
        f"not pinned to a commit with its version beside it: {line}"
        for line in re.findall(r"uses:\s*(.+)", text)
        if not line.startswith("$/") and not pin.fullmatch(line.strip())
    ]
    for id, job in document["jobs"].items():
        found += [f"{id}: no {key}" for key in ("timeout-minutes", "permissions") if key not in job]
        if any(
            value not in ("read", "write") for value in dict(job.get("permissions", {})).values()
        ):
            found.append(f"{id}: odd permissions")
        for step in job["steps"]:
            if "${{" in step.get("run", ""):
                found.append(f"{id}: an expression in the text of a script")
            is_checkout = step.get("uses", "").startswith("actions/checkout@")
            if is_checkout and step.get("with", {}).get("persist-credentials") is not False:
                found.append(f"{id}: the checkout keeps its credentials")
    return found


# The world around the workflows: a repository with a history, GitHub, and tenants on sockets


def commit_id(name: str) -> str:
    """A commit's hash, from a name that a test can be read with."""
    return hashlib.sha1(name.encode()).hexdigest()


class World:
    """A repository of tenant roots, and what happens to it. Commits are called by plain names."""

    def __init__(self, folder: Path, labels: tuple[str, ...] = ("contoso-prod",)) -> None:
        self.github = GitHubServer()
        self.github.start()
        self.folder = folder
        self.labels = labels
        self.apps: dict[str, RecordedSandbox] = {}
        self.servers: dict[str, SandboxServer] = {}
        self.runner = Runner(folder, self.github, self._source, self._sign_in)
        self.commit("start", after=None)
        for label in labels:
            root = self.root("start", label)
            self.serve(label, RecordedSandbox(SandboxState.load(root / "sandbox.json")))
        self.land("start")

    def close(self) -> None:
        for server in self.servers.values():
            server.stop()
        self.github.stop()

    # The repository

    def commit(
        self,
        name: str,
        edit: Callable[[Path], None] = lambda _root: None,
        after: str | None = "start",
    ) -> str:
        """Make a commit on top of another; ``edit`` changes the files of every tenant root."""
        tree = self.folder / "commits" / commit_id(name)
        if after is not None:
            shutil.copytree(self.folder / "commits" / commit_id(after), tree)
        for label in self.labels:
            root = self.root(name, label)
            if after is None:
                shutil.copytree(
                    REPOSITORY_ROOT / "desired-state",
                    root,
                    ignore=shutil.ignore_patterns(".reconciler"),
                )
                for file in (root / "tenant.yaml", root / "sandbox.json"):
                    file.write_text(file.read_text().replace(TENANT, self.tenant(label)))
                config = root / "tenant.yaml"
                said = json.dumps(label, ensure_ascii=False)
                config.write_text(config.read_text().replace("contoso-prod", said, 1))
                if label != self.labels[0]:  # one policy of one tenant may stand in one root alone
                    give_tenant(root, f"{self.labels.index(label):08}{TENANT[8:]}")
            edit(root)
        return commit_id(name)

    def root(self, name: str, label: str) -> Path:
        tree = self.folder / "commits" / commit_id(name) / "desired-state"
        if len(self.labels) == 1:
            return tree
        return tree / f"root-{self.labels.index(label)}"

    def tenant(self, label: str) -> str:
        """The id of a tenant; each label has one of its own."""
        return f"{TENANT[:-2]}{11 + self.labels.index(label)}"

    def land(self, name: str) -> str:
        """Put a commit onto main."""
        self.github.history.append(commit_id(name))
        return commit_id(name)

    def _source(self, wanted: str) -> tuple[Path, str]:
        if wanted == "refs/heads/main":
            wanted = self.github.history[-1]
        return self.folder / "commits" / wanted, wanted

    # The tenants

    def serve(self, label: str, app: RecordedSandbox) -> None:
        if label in self.servers:
            self.servers[label].stop()
        self.apps[label] = app
        self.servers[label] = SandboxServer(app)
        self.servers[label].start()

    def _sign_in(self, matrix: Mapping[str, str]) -> Mapping[str, str]:
        return {
            "RECONCILER_GRAPH_URL": self.servers[matrix["label"]].url,
            "RECONCILER_ACCESS_TOKEN": GRAPH_TOKEN,
        }

    @property
    def app(self) -> RecordedSandbox:
        return self.apps[self.labels[0]]

    @property
    def writes(self) -> int:
        """How many writes have reached the tenants."""
        return sum(len(app.bodies) for app in self.apps.values())

    def assigned(self, policy: str, label: str | None = None) -> set[str]:
        """The groups that a policy is assigned to, or excludes, by name."""
        tenant = self.apps[label or self.labels[0]].state.to_json()
        names = {group["id"]: group["displayName"] for group in tenant["groups"]}
        return {
            names.get(each["target"].get("groupId"), each["target"]["@odata.type"])
            for found in (*tenant["deviceCompliancePolicies"], *tenant["compliancePolicies"])
            if policy in (found.get("displayName"), found.get("name"))
            for each in found["assignments"]
        }

    def unassign(self, policy: str, group: str) -> None:
        """Somebody takes an assignment away in the portal."""
        state = self.app.state
        tenant = state.to_json()
        [group_id] = [g["id"] for g in tenant["groups"] if g["displayName"] == group]
        [found] = [
            each
            for each in (*tenant["deviceCompliancePolicies"], *tenant["compliancePolicies"])
            if policy in (each.get("displayName"), each.get("name"))
        ]
        left = [a for a in found["assignments"] if a["target"].get("groupId") != group_id]
        assert len(left) == len(found["assignments"]) - 1
        state.set_assignments(found["id"], left)

    # What happens

    def push(self, number: int, name: str, *, from_fork: bool = False) -> Run:
        """Push a commit to a pull request, a new one where there is none; runs plan.yml."""
        commit = commit_id(name)
        if number in self.github.pulls:
            self.github.push(number, commit)
        else:
            self.github.add_pull(number, [commit], from_fork=from_fork)
        return self.runner.run("plan.yml", self.pull_request(number, from_fork=from_fork))

    def pull_request(self, number: int, *, from_fork: bool = False) -> Event:
        head = self.github.pulls[number]["head"]["sha"]
        origin = (
            {"id": 2, "full_name": "mallory/intune"}
            if from_fork
            else {"id": 1, "full_name": REPOSITORY}
        )
        pull = {
            "number": number,
            "head": {"sha": head, "repo": origin},
            "base": {"ref": "main", "repo": {"id": 1, "full_name": REPOSITORY}},
        }
        return Event(
            "pull_request",
            head,
            {"pull_request": pull},
            f"refs/pull/{number}/merge",
            from_fork=from_fork,
        )

    def after_fork(self, run: Run, name: str, **changes: Any) -> Run:
        """Run comment-fork.yml, as GitHub does after plan.yml."""
        told = {
            "id": 77,
            "event": "pull_request",
            "conclusion": "success",
            "head_sha": commit_id(name),
            "head_repository": {"id": 2, "full_name": "mallory/intune"},
            "pull_requests": [],
            **changes,
        }
        event = Event(
            "workflow_run", self.github.history[-1], {"workflow_run": told}, artifacts=run.artifacts
        )
        return self.runner.run("comment-fork.yml", event)

    def merge(self, number: int, name: str) -> Run:
        """Merge a pull request as a commit on main; runs apply.yml."""
        self.mark_merged(number, name)
        return self.pushed(name)

    def mark_merged(self, number: int, name: str) -> None:
        commit = self.land(name)
        self.github.pulls[number].update(
            merge_commit_sha=commit, state="closed", merged_at=self.github.now()
        )

    def pushed(self, name: str) -> Run:
        """Run apply.yml for a commit that came to main, or run it again."""
        return self.runner.run("apply.yml", Event("push", commit_id(name)))

    def dispatch(self, digest: str, label: str | None = None, codes: str = "") -> Run:
        """Run apply.yml by hand."""
        given = {"digest": digest, "label": label or self.labels[0], "approval_codes": codes}
        event = Event("workflow_dispatch", self.github.history[-1], inputs=given)
        return self.runner.run("apply.yml", event)

    def scheduled(self, workflow: str = "apply.yml") -> Run:
        """The clock strikes for apply.yml or drift.yml."""
        return self.runner.run(workflow, Event("schedule", self.github.history[-1]))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="session")
def settled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The example tenant once everything that the example declares is applied."""
    folder = tmp_path_factory.mktemp("settled")
    root = copy_example(folder)
    assert run_cli("apply", "--sandbox", "--auto-approve", cwd=folder).code == 0
    return kept_tenant(root)


@pytest.fixture
def calm(world: World, settled: dict[str, Any]) -> World:
    """A tenant that has all that main declares."""
    world.commit("calm")
    world.land("calm")
    world.serve("contoso-prod", RecordedSandbox(SandboxState(settled)))
    return world


def digest_in(text: str) -> str:
    """The one digest that a text names."""
    [digest] = set(re.findall(r"sha256:[0-9a-f]{64}", text))
    return digest


def acting_parts(markdown: str) -> tuple[list[str], list[str]]:
    """The targets of links in a comment, and all text outside of code: what GitHub acts on.

    Our own hidden lines and the layout's tags are left out; other HTML is an error.
    """
    blocks = MarkdownIt("commonmark").enable("table").parse(markdown)
    parts = [part for block in blocks for part in (block, *(block.children or ()))]
    html = [part.content for part in parts if part.type in ("html_block", "html_inline")]
    for said in html:
        plain = re.sub(r"<!-- [^<>]* -->|</?(?:details|summary|br|sub)(?: open)?>", "", said)
        assert "<" not in re.sub(r"</?code>", "", plain), said
    links = [str(part.attrs["href"]) for part in parts if part.type == "link_open"]
    return links, [part.content for part in parts if part.type == "text"]


def replace(file: str, old: str, new: str) -> Callable[[Path], None]:
    """An edit: other words in a file."""

    def edit(root: Path) -> None:
        text = (root / file).read_text()
        assert old in text
        (root / file).write_text(text.replace(old, new, 1))

    return edit
