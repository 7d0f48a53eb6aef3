"""A repository with a history, on disk, and what actions/checkout makes of it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.support.workflow_expressions import UnknownExpressionError

_WHO = {
    f"GIT_{role}_{key}": value
    for role in ("AUTHOR", "COMMITTER")
    for key, value in {
        "NAME": "Adele",
        "EMAIL": "adele@contoso.example",
        "DATE": "2026-11-23T10:00:00Z",
    }.items()
}


class GitRepository:
    """Commits made of folders. ``main`` is the branch that tests put commits onto."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.git("init", "--quiet", "--bare", "--initial-branch=main")
        self.git("config", "uploadpack.allowAnySHA1InWant", "true")

    def git(self, *arguments: str, **environment: str) -> str:
        return _git(self.folder, *arguments, **environment)

    def commit(self, tree: Path, message: str, parent: str | None) -> str:
        """Make a commit of all that a folder holds, as Git would: without what is ignored."""
        index = str(self.folder / f"index-{message.encode().hex()[:80]}")
        place = {"GIT_INDEX_FILE": index, "GIT_WORK_TREE": str(tree), "GIT_DIR": str(self.folder)}
        _git(tree, "add", "--all", **place)
        written = _git(tree, "write-tree", **place)
        parents = ["-p", parent] if parent else []
        return self.git("commit-tree", written, *parents, "-m", message)

    def set_branch(self, name: str, commit: str) -> None:
        self.git("update-ref", f"refs/heads/{name}", commit)

    def trial_merge(self, base: str, head: str) -> str:
        """GitHub's merge commit of a pull request: its first parent is the base branch.

        https://docs.github.com/en/actions/reference/workflows-and-actions/events-that-trigger-workflows#pull_request
        """
        tree = self.git("merge-tree", "--write-tree", base, head)
        return self.git("commit-tree", tree, "-p", base, "-p", head, "-m", "Merge")

    def check_out(self, options: dict[str, Any], workspace: Path, *, sha: str, ref: str) -> str:
        """Do what actions/checkout does into a workspace, and return the commit.

        By default the one commit alone comes; with a depth of 0, the history of all branches.
        """
        if options.pop("persist-credentials") is not False:
            raise UnknownExpressionError("checkout keeps its credentials")
        wanted = options.pop("ref", None)
        depth = options.pop("fetch-depth", 1)
        if options:
            raise UnknownExpressionError(f"checkout with {options}")
        commit = self.git("rev-parse", wanted) if wanted and wanted != ref else sha
        if wanted and wanted.startswith("refs/heads/"):
            commit = self.git("rev-parse", wanted)
        _git(workspace, "init", "--quiet", ".")
        _git(workspace, "remote", "add", "origin", self.folder.as_uri())
        heads = [] if depth else ["+refs/heads/*:refs/remotes/origin/*"]
        limit = [f"--depth={depth}"] if depth else []
        _git(workspace, "fetch", "--quiet", "--no-tags", *limit, "origin", *heads, commit)
        _git(workspace, "checkout", "--quiet", "--detach", commit)
        return commit


def _git(folder: Path, *arguments: str, **environment: str) -> str:
    """Run git without anything of the machine's own settings."""
    done = subprocess.run(
        [shutil.which("git") or "git", *arguments],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "HOME": str(folder),
            **_WHO,
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"git {arguments}: {done.stderr}"
    return done.stdout.strip()
