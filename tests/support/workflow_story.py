"""A repository of tenant roots on a GitHub of its own, and what happens to it, told by the tests."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from reconciler.sandbox.server import SandboxServer
from reconciler.sandbox.state import SandboxState
from tests.support import workflow_events as events
from tests.support.github_server import GitHubServer
from tests.support.recorded_sandbox import RecordedSandbox
from tests.support.run_cli import copy_example, give_tenant, kept_tenant
from tests.support.run_cli import run as run_cli
from tests.support.workflow_events import NO_COMMIT, Event
from tests.support.workflow_git import GitRepository
from tests.support.workflow_runner import (
    GRAPH_TOKEN,
    REPOSITORY_ROOT,
    Cancellation,
    Run,
    Runner,
)

TENANT = "7d2f9a54-51d8-4c0e-9b57-0c1f5d6c7a11"


class World:
    """A repository of tenant roots, and what happens to it. Commits are called by plain names."""

    def __init__(self, folder: Path, labels: tuple[str, ...] = ("contoso-prod",)) -> None:
        self.repository = GitRepository(folder / "origin")
        self.github = GitHubServer()
        self.github.start()
        self.folder = folder
        self.labels = labels
        self.apps: dict[str, RecordedSandbox] = {}
        self.servers: dict[str, SandboxServer] = {}
        self.hashes: dict[str, str] = {}
        self.runner = Runner(folder, self.github, self.repository, self._sign_in)
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
        edit: Callable[[Path], None] | None = None,
        after: str | None = "start",
    ) -> str:
        """Make a commit on top of another; ``edit`` changes the files of every tenant root.

        Without an edit something changes that means nothing: a note beside the YAML.
        """
        tree = self.folder / "commits" / name
        if after is not None:
            shutil.copytree(self.folder / "commits" / after, tree)
        for label in self.labels:
            root = self.root(name, label)
            if after is None:
                self._write_root(root, label)
            if edit is None:
                (root / f"{name}.md").write_text(f"{name}\n")
            else:
                edit(root)
        parent = None if after is None else self.hashes[after]
        self.hashes[name] = self.repository.commit(tree, name, parent)
        self.repository.set_branch(f"topic/{name}", self.hashes[name])
        return self.hashes[name]

    def _write_root(self, root: Path, label: str) -> None:
        ignored = shutil.ignore_patterns(".reconciler")
        shutil.copytree(REPOSITORY_ROOT / "desired-state", root, ignore=ignored)
        for file in (root / "tenant.yaml", root / "sandbox.json"):
            file.write_text(file.read_text().replace(TENANT, self.tenant(label)))
        config = root / "tenant.yaml"
        quoted = json.dumps(label, ensure_ascii=False)
        config.write_text(config.read_text().replace("contoso-prod", quoted, 1))
        if label != self.labels[0]:  # one policy of one tenant may stand in one root alone
            give_tenant(root, f"{self.labels.index(label):08}{TENANT[8:]}")

    def id(self, name: str) -> str:
        """A commit's hash; of a commit that nobody made, one that GitHub might still name."""
        return self.hashes.get(name) or hashlib.sha1(name.encode()).hexdigest()

    def root(self, name: str, label: str) -> Path:
        tree = self.folder / "commits" / name / "desired-state"
        if len(self.labels) == 1:
            return tree
        return tree / f"root-{self.labels.index(label)}"

    def tenant(self, label: str) -> str:
        """The id of a tenant; each label has one of its own."""
        return f"{TENANT[:-2]}{11 + self.labels.index(label)}"

    def land(self, name: str) -> str:
        """Put a commit onto main."""
        self.github.history.append(self.id(name))
        return self.id(name)

    @property
    def tip(self) -> str:
        """The newest commit of main."""
        return self.github.history[-1]

    def run(self, workflow: str, event: Event) -> Run:
        """Run a workflow on an event, with main as it stands."""
        self.repository.set_branch("main", self.tip)
        return self.runner.run(workflow, event)

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

    def push(self, number: int, name: str, *, from_fork: bool = False, by: str = "adele") -> Run:
        """Push a commit to a pull request, a new one where there is none; runs plan.yml."""
        commit = self.id(name)
        if number in self.github.pulls:
            self.github.push(number, commit)
        else:
            self.github.add_pull(number, [commit], from_fork=from_fork)
        return self.run("plan.yml", self.pull_request(number, from_fork=from_fork, by=by))

    def pull_request(self, number: int, *, from_fork: bool = False, by: str = "adele") -> Event:
        head = self.github.pulls[number]["head"]["sha"]
        trial = self.repository.trial_merge(self.tip, head)
        return events.pull_request(
            number, head=head, base=self.tip, trial_merge=trial, from_fork=from_fork, by=by
        )

    def queue(self, number: int) -> Run:
        """Put a pull request into the merge queue; runs plan.yml on what it would make of main."""
        head = self.github.pulls[number]["head"]["sha"]
        group = self.repository.trial_merge(self.tip, head)
        return self.run("plan.yml", events.merge_group(number, head=group, base=self.tip))

    def after_fork(self, run: Run, name: str, **changes: Any) -> Run:
        """Run comment-fork.yml, as GitHub does after plan.yml."""
        event = events.workflow_run(self.tip, run.artifacts, head=self.id(name), **changes)
        return self.run("comment-fork.yml", event)

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
        commit = self.id(name)
        history = self.github.history
        if commit in history:
            before = history[history.index(commit) - 1]
        else:  # main was rewritten since
            before = self.repository.git("rev-parse", f"{commit}^")
        return self.run("apply.yml", events.push(before, commit))

    def pushed_first(self) -> Run:
        """Run apply.yml for the push that creates main."""
        return self.run("apply.yml", events.push(NO_COMMIT, self.tip))

    def dispatch(self, digest: str, label: str | None = None, codes: str = "") -> Run:
        """Run apply.yml by hand."""
        given = {"digest": digest, "label": label or self.labels[0], "approval_codes": codes}
        return self.run("apply.yml", Event("workflow_dispatch", self.tip, inputs=given))

    def scheduled(self, workflow: str = "apply.yml") -> Run:
        """The clock strikes for apply.yml or drift.yml."""
        return self.run(workflow, Event("schedule", self.tip))

    def cancel(self, step: str, *, when: Callable[[], bool]) -> None:
        """Cancel the next runs while a step is at work, as soon as ``when`` holds."""
        self.runner.cancellation = Cancellation(step, when)


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


def note(root: Path) -> None:
    """An edit that touches a root and means nothing."""
    (root / "note.md").write_text("a note\n")


def in_root(
    number: int,
    edit: Callable[[Path], object],
    *,
    otherwise: Callable[[Path], object] = lambda _root: None,
) -> Callable[[Path], None]:
    """An edit of one of several roots; another edit, or none, for the rest."""

    def edit_one(root: Path) -> None:
        (edit if root.name == f"root-{number}" else otherwise)(root)

    return edit_one
