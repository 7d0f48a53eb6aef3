"""Runs the workflows' own shell steps here, as GitHub and its runner would.

The YAML is read as it stands: a run starts only on an event that the file names, jobs run in the
order of their needs, a matrix comes from a job's output, each `run:` goes to bash in a workspace of
its own with the runner's files and variables. Checkout and artifacts behave as the real actions do;
the action of this repository puts the installed command on the PATH; any other `uses:` is an error.
A job's token may write only where its permissions say so. Only a job with `id-token: write` and an
environment that has the client id can sign in: a fork's and Dependabot's never.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.support import workflow_artifacts
from tests.support.github_server import ACTIONS_TOKEN, FORK_TOKEN, REPOSITORY, GitHubServer
from tests.support.workflow_artifacts import ActionFailedError
from tests.support.workflow_events import Event
from tests.support.workflow_expressions import Scope, UnknownExpressionError
from tests.support.workflow_git import GitRepository

REPOSITORY_ROOT = Path(__file__).parents[2]
WORKFLOWS = REPOSITORY_ROOT / ".github" / "workflows"
ACTION = REPOSITORY_ROOT / ".github" / "actions" / "reconciler"
OUR_ACTION = "$/.github/actions/reconciler"
GRAPH_TOKEN = "Canary0fTheGraphToken"
CANARIES = (ACTIONS_TOKEN, FORK_TOKEN, GRAPH_TOKEN)
CLIENT_ID = "11111111-2222-4333-8444-555555555555"
TIME_LIMIT = 60.0
RIGHTS = {"none": 0, "read": 1, "write": 2}

SIGNALS = ((signal.SIGINT, 7.5), (signal.SIGTERM, 2.5))
"""What a cancelled step's shell gets, and the seconds until the next; then all is killed.

https://github.com/actions/runner/blob/258d6c857db3519913f7deb6004b60172f8043ae/src/Runner.Sdk/ProcessInvoker.cs#L441
"""


class StartupFailureError(Exception):
    """GitHub would not start the run at all."""


def read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = YAML(typ="safe", pure=True).load(path.read_text())
    return document


def triggers_of(document: Mapping[Any, Any]) -> Mapping[str, Any]:
    """What a workflow runs on, as a mapping. YAML 1.1 reads the key `on` as true, 1.2 as text."""
    triggers = document.get("on", document.get(True))
    if isinstance(triggers, str):
        return {triggers: None}
    return triggers if isinstance(triggers, Mapping) else dict.fromkeys(triggers)


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
    """A job, under the name of its check. ``is_deployment``: GitHub announces a deployment."""

    id: str
    name: str
    result: str
    environment: str | None = None
    is_deployment: bool = False
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

    jobs: dict[str, JobRun] = field(default_factory=dict)
    artifacts: dict[str, Path] = field(default_factory=dict)
    is_cancelled: bool = False

    @property
    def result(self) -> str:
        results = {job.result for job in self.jobs.values()}
        return next((bad for bad in ("failure", "cancelled") if bad in results), "success")

    def __getitem__(self, name: str) -> JobRun:
        return self.jobs[name]

    @property
    def results(self) -> dict[str, str]:
        return {name: job.result for name, job in self.jobs.items()}

    @property
    def log(self) -> str:
        return "".join(job.log for job in self.jobs.values())


@dataclass
class Cancellation:
    """Somebody cancels the run while a step is at work, as soon as ``when`` holds."""

    step: str
    when: Callable[[], bool]


@dataclass
class Runner:
    """Runs workflows. ``without_variables`` are the environments that nobody has set up."""

    folder: Path
    github: GitHubServer
    repository: GitRepository
    sign_in: Callable[[Mapping[str, str]], Mapping[str, str]]
    workflows: Path = WORKFLOWS
    without_variables: set[str] = field(default_factory=set)
    cancellation: Cancellation | None = None
    count: int = 0

    def run(self, workflow: str, event: Event) -> Run:
        """Run a whole workflow, to the end of every job that its event lets run."""
        document = read(self.workflows / workflow)
        run = Run()
        triggers = triggers_of(document)
        if event.name not in triggers or not self._is_meant(triggers[event.name], event):
            return run
        self.count += 1
        github = {
            "event": event.payload,
            "event_name": event.name,
            "repository": REPOSITORY,
            "run_id": str(self.count),
            "sha": event.sha,
            "ref": event.ref,
            "actor": event.actor,
            "workflow": document["name"],
        }
        contexts = {"github": github, "vars": {}, "inputs": _dispatched(triggers, event)}
        _DocumentRun(self, run, event, document, contexts, prefix="", limits=None).jobs()
        return run

    def _is_meant(self, trigger: Any, event: Event) -> bool:
        """Whether the filters of a trigger let the event through."""
        if event.name != "push" or not trigger:
            return True
        branches, paths = trigger.get("branches"), trigger.get("paths")
        if branches is not None and event.ref.removeprefix("refs/heads/") not in branches:
            return False
        return paths is None or any(map(_path_pattern(paths), self._changed(event)))

    def _changed(self, event: Event) -> list[str]:
        listed = self.repository.git(
            "diff", "--name-only", event.payload["before"], event.payload["after"]
        )
        return listed.splitlines()


def _path_pattern(paths: list[str]) -> Callable[[str], bool]:
    """Filters of the form FOLDER/** alone are known here."""
    if not all(path.endswith("/**") for path in paths):
        raise UnknownExpressionError(f"paths: {paths}")
    folders = tuple(path.removesuffix("**") for path in paths)
    return lambda file: file.startswith(folders)


def _dispatched(triggers: Mapping[str, Any], event: Event) -> dict[str, Any]:
    declared = (triggers.get("workflow_dispatch") or {}).get("inputs") or {}
    if event.name != "workflow_dispatch":
        return {}
    return {name: event.inputs.get(name, "") for name in declared}


class _DocumentRun:
    """The jobs of one file: of the workflow that started, or of one that a job of it calls."""

    def __init__(
        self,
        runner: Runner,
        run: Run,
        event: Event,
        document: Mapping[str, Any],
        contexts: Mapping[str, Any],
        *,
        prefix: str,
        limits: Mapping[str, str] | None,
    ) -> None:
        self.runner, self.run, self.event, self.document = runner, run, event, document
        self.contexts, self.prefix, self.limits = contexts, prefix, limits
        self.needs: dict[str, Any] = {}

    def jobs(self) -> str:
        """Run every job, and return the result of all of them together."""
        concurrency = self.document.get("concurrency")
        if concurrency:
            Scope(self.contexts).text(concurrency["group"])
        for id, job in self.document["jobs"].items():
            self.needs[id] = self._job(id, job)
        return _worst([need["result"] for need in self.needs.values()])

    def _job(self, id: str, job: Mapping[str, Any]) -> dict[str, Any]:
        needs = job.get("needs", [])
        seen = {name: self.needs[name] for name in ([needs] if isinstance(needs, str) else needs)}
        results = [need["result"] for need in seen.values()]
        scope = Scope(
            {**self.contexts, "needs": seen},
            failed="failure" in results,
            skipped="skipped" in results or "cancelled" in results,
            cancelled=self.run.is_cancelled,
        )
        if not scope.holds(job.get("if")):
            # A matrix is not expanded then: the check bears the name as it stands in the file.
            name = self.prefix + job.get("name", id)
            result = "cancelled" if self.run.is_cancelled else "skipped"
            self.run.jobs[name] = JobRun(id, name, result)
            return {"result": result, "outputs": {}}
        if "uses" in job:
            return {"result": self._call(id, job, scope), "outputs": {}}
        self._check_permissions(id, job)
        ran = [
            _JobRunner(self.runner, self.run, self.event, id, job, scope, matrix, self.prefix).run()
            for matrix in _matrix(job, scope)
        ]
        self.run.jobs |= {made.name: made for made in ran}
        return {"result": _worst([made.result for made in ran]), "outputs": ran[-1].outputs}

    def _call(self, id: str, job: Mapping[str, Any], scope: Scope) -> str:
        """Run a reusable workflow, with the caller's event.

        https://docs.github.com/en/actions/reference/workflows-and-actions/reusing-workflow-configurations
        """
        called = re.fullmatch(
            r"[\w.-]+/[\w.-]+/\.github/workflows/([\w-]+\.yml)@(?:[0-9a-f]{40}|COMMIT)", job["uses"]
        )
        if called is None:
            raise UnknownExpressionError(f"uses: {job['uses']}")
        document = read(WORKFLOWS / called[1])
        declared = triggers_of(document)["workflow_call"]["inputs"]
        given = {name: scope.fill(value) for name, value in job.get("with", {}).items()}
        if set(given) - set(declared):
            raise StartupFailureError(f"{called[1]} has no inputs {set(given) - set(declared)}")
        inputs = {
            name: _typed(given.get(name, shape.get("default")), shape["type"])
            for name, shape in declared.items()
        }
        return _DocumentRun(
            self.runner,
            self.run,
            self.event,
            document,
            {**self.contexts, "inputs": inputs},
            prefix=f"{self.prefix}{job.get('name', id)} / ",
            limits=job.get("permissions", {}),
        ).jobs()

    def _check_permissions(self, id: str, job: Mapping[str, Any]) -> None:
        """A called workflow gets at most what the calling job has; asking for more ends the run."""
        for name, right in job["permissions"].items() if self.limits is not None else ():
            limit = (self.limits or {}).get(name, "none")
            if RIGHTS[right] > RIGHTS[limit]:
                raise StartupFailureError(f"{id} asks for {name}: {right}, the caller has {limit}")


def _typed(value: Any, kind: str) -> Any:
    if value is None:
        return {"string": "", "boolean": False, "number": 0}[kind]
    wanted = {"string": str, "boolean": bool, "number": int}[kind]
    if not isinstance(value, wanted):
        raise StartupFailureError(f"{value!r} is no {kind}")
    return value


def _worst(results: list[str]) -> str:
    order = ("failure", "cancelled", "success", "skipped")
    return next(result for result in order if result in results)


def _matrix(job: Mapping[str, Any], scope: Scope) -> list[dict[str, str]]:
    if "strategy" not in job:
        return [{}]
    matrix = scope.fill(job["strategy"]["matrix"])
    if list(matrix) != ["include"]:
        raise UnknownExpressionError(f"a matrix of {list(matrix)}")
    if not matrix["include"]:
        raise StartupFailureError("Matrix must define at least one vector")
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
        prefix: str,
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
        self.token = ACTIONS_TOKEN if self._may_write() else FORK_TOKEN
        self.steps: dict[str, Any] = {}
        self.env: dict[str, str] = {}
        scope = Scope({**scope.contexts, "matrix": matrix})
        environment, is_deployment = _environment(job.get("environment"), scope)
        variables = (
            {}
            if environment is None or environment in runner.without_variables
            else {"AZURE_CLIENT_ID": CLIENT_ID}
        )
        self.scope = Scope(
            {
                **scope.contexts,
                "github": {**scope.contexts["github"], "token": self.token},
                "vars": variables,
                "steps": self.steps,
                "env": self.env,
            },
            workspace=self.workspace,
        )
        self.path = [self.home / "bin", Path("/usr/bin"), Path("/bin")]
        self.env.update({name: self.scope.text(it) for name, it in job.get("env", {}).items()})
        concurrency = job.get("concurrency")
        self.made = JobRun(
            id,
            prefix + self.scope.text(job.get("name", id)),
            "success",
            environment=environment,
            is_deployment=is_deployment,
            group=None if concurrency is None else self.scope.text(concurrency["group"]),
        )

    def _may_write(self) -> bool:
        wanted = ("pull-requests", "issues", "statuses")
        may = any(self.permissions.get(name) == "write" for name in wanted)
        return may and not self.event.is_restricted

    def run(self) -> JobRun:
        for number, step in enumerate(self.job["steps"]):
            name = step.get("name") or step.get("uses", "").partition("@")[0] or "run"
            if not self.scope.holds(step.get("if")):
                ran = StepRun(name, "skipped")
            else:
                ran = self._use(step, name) if "uses" in step else self._shell(step, name, number)
            self.made.steps.append(ran)
            if "id" in step:
                self.steps[step["id"]] = {"outputs": ran.outputs, "outcome": ran.outcome}
            if ran.outcome == "failure":
                self.scope.failed = True
                self.made.result = "failure"
            elif ran.outcome == "cancelled":
                self.scope.cancelled = self.whole.is_cancelled = True
                self.made.result = "cancelled"
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
        unknown = set(step) - {"name", "id", "if", "env", "run", "shell"}
        if step.get("shell", "bash") != "bash" or unknown:
            raise UnknownExpressionError(f"the step {name} has {unknown}")
        options = ["-e"] if "shell" not in step else ["--noprofile", "--norc", "-eo", "pipefail"]
        files = {
            key: self.home / f"step-{number}.{key}" for key in ("output", "summary", "path", "sh")
        }
        for file in files.values():
            file.touch()
        files["sh"].write_text(step["run"])
        code, log, is_cancelled = self._execute(name, options, files, env)
        self.path[:0] = [Path(line) for line in files["path"].read_text().splitlines()]
        outputs = outputs_of(files["output"].read_text())
        summary = files["summary"].read_text()
        _check_log(name, log, summary, outputs)
        outcome = "cancelled" if is_cancelled else "success" if code == 0 else "failure"
        return StepRun(name, outcome, code, log, summary, outputs)

    def _execute(
        self, name: str, options: list[str], files: Mapping[str, Path], env: Mapping[str, str]
    ) -> tuple[int, str, bool]:
        log = files["sh"].with_suffix(".log")
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["/bin/bash", *options, str(files["sh"])],
                cwd=self.workspace,
                env={**self._variables(files), **self.env, **env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                is_cancelled = self._wait(process, name)
            finally:
                _kill_all(process)
        return process.returncode, log.read_text(), is_cancelled

    def _wait(self, process: subprocess.Popen[bytes], name: str) -> bool:
        """Wait for a step's shell; tell whether it was cancelled meanwhile."""
        cancellation = self.runner.cancellation
        if cancellation is None or cancellation.step != name:
            process.wait(TIME_LIMIT)
            return False
        while not cancellation.when():
            if process.poll() is not None:
                return False
            _wait_for(process, 0.005)
        for number, seconds in SIGNALS:
            process.send_signal(number)  # to the shell alone, not to what it has started
            if _wait_for(process, seconds):
                return True
        return True

    def _variables(self, files: Mapping[str, Path]) -> dict[str, str]:
        event = self.event
        may_sign_in = (
            self.permissions.get("id-token") == "write"
            and not event.is_restricted
            and self.env.get("AZURE_CLIENT_ID")
        )
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
            "GITHUB_REF_NAME": re.sub(r"^refs/(heads|pull)/", "", event.ref),
            "GITHUB_RUN_ID": str(self.runner.count),
            "GITHUB_WORKSPACE": str(self.workspace),
            "GITHUB_OUTPUT": str(files["output"]),
            "GITHUB_STEP_SUMMARY": str(files["summary"]),
            "GITHUB_PATH": str(files["path"]),
            "RUNNER_TEMP": str(self.home / "temp"),
            **(self.runner.sign_in(self.matrix) if may_sign_in else {}),
        }

    def _use(self, step: Mapping[str, Any], name: str) -> StepRun:
        options = {key: self.scope.fill(value) for key, value in step.get("with", {}).items()}
        outputs: dict[str, str] = {}
        log = ""
        try:
            match step["uses"].partition("@")[0]:
                case "actions/checkout":
                    outputs["commit"] = self.runner.repository.check_out(
                        options, self.workspace, sha=self.event.sha, ref=self.event.ref
                    )
                case "actions/upload-artifact":
                    store = self.home / "artifacts"
                    artifacts = self.whole.artifacts
                    log = workflow_artifacts.upload(
                        options, workspace=self.workspace, store=store, artifacts=artifacts
                    )
                    outputs["artifact-url"] = (
                        f"{self.runner.github.root}/{REPOSITORY}/actions/runs/"
                        f"{self.runner.count}/artifacts/{len(artifacts)}"
                    )
                case "actions/download-artifact":
                    found = self._artifacts(options)
                    workflow_artifacts.download(options, workspace=self.workspace, artifacts=found)
                case _ if step["uses"] == OUR_ACTION and not options:
                    self._install()
                case _:
                    raise UnknownExpressionError(f"uses: {step['uses']} with {options}")
        except ActionFailedError as failed:
            return StepRun(name, "failure", 1, f"{failed}\n")
        return StepRun(name, "success", log=log, outputs=outputs)

    def _artifacts(self, options: dict[str, Any]) -> Mapping[str, Path]:
        """Those of this run, or of another that the step names and may read."""
        if options.pop("run-id", None) is None:
            return self.whole.artifacts
        assert options.pop("github-token") == self.token
        assert self.permissions["actions"] == "read"
        return self.event.artifacts

    def _install(self) -> None:
        commands = self.home / "bin"
        commands.mkdir(exist_ok=True)
        link = commands / "reconciler"
        if not link.is_symlink():
            link.symlink_to(Path(sys.prefix) / "bin" / "reconciler")


def _environment(shape: Any, scope: Scope) -> tuple[str | None, bool]:
    """Read `environment:`; one that is named announces a deployment, unless told not to.

    https://docs.github.com/en/actions/how-tos/deploy/configure-and-manage-deployments/control-deployments#using-environments-without-deployments
    """
    if shape is None:
        return None, False
    if isinstance(shape, str):
        return scope.text(shape), True
    return scope.text(shape["name"]), shape.get("deployment", True) is not False


def _wait_for(process: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _kill_all(process: subprocess.Popen[bytes]) -> None:
    """End what a step has left behind, as the runner does."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _check_log(name: str, log: str, summary: str, outputs: Mapping[str, str]) -> None:
    shown = "".join(line for line in log.splitlines(True) if not line.startswith("::add-mask::"))
    for canary in CANARIES:
        assert canary not in shown + summary + str(outputs), f"{name} shows a secret"
    assert "\x1b" not in log + summary, f"{name} writes colour codes"


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
