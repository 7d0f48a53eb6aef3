"""Tell which tenant roots the changes since a commit touch. Does I/O: it asks git, and reads no tenant.

Everything that differs between the commit and the files as they lie there counts: commits since,
what is not committed yet, and new files that git does not ignore. A root is touched by a change
below its own folder or below a folder that it extends; what belongs to another tenant root further
down does not count. A root whose folders cannot be told, because of mistakes in its tenant.yaml, is
touched always: its own job shows the mistakes.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from reconciler.loader import load
from reconciler.model.diagnostics import Severity
from reconciler.model.errors import ConfigError
from reconciler.operations.roots import Root

_GIT_SECONDS = 60.0


def changed_roots(roots: Sequence[Root], path: Path, since: str) -> tuple[Root, ...]:
    """Those of ``roots`` that a change since the commit ``since`` touches, in the same order.

    ``path`` is a folder of the repository. Raises `ConfigError` where git is missing, where the
    folder is in no repository, and where the repository does not have the commit.
    """
    changed = _changed_files(path, since)
    folders = {root.path.resolve() for root in roots}
    return tuple(root for root in roots if _is_touched(root, changed, folders))


def _is_touched(root: Root, changed: Iterable[Path], roots: set[Path]) -> bool:
    loaded = load(root.path)
    is_unknown = loaded.config is None or any(
        each.severity is Severity.ERROR and each.code.startswith("extends-")
        for each in loaded.diagnostics
    )
    return is_unknown or any(
        _belongs(file, folder, roots) for file in changed for folder in loaded.folders
    )


def _belongs(file: Path, folder: Path, roots: set[Path]) -> bool:
    """Whether a file counts to a folder, and not to a tenant root below it."""
    return file.is_relative_to(folder) and not any(
        other in roots and other != folder and other.is_relative_to(folder)
        for other in file.parents
    )


def _changed_files(path: Path, since: str) -> tuple[Path, ...]:
    """The files that differ from the commit, deleted ones too, as resolved paths."""
    here = path if path.is_dir() else path.parent
    found = _git(here, "rev-parse", "--show-toplevel")
    if found is None:
        raise ConfigError(f"--changed-since: {here} is not in a git repository")
    top = Path(found.removesuffix("\n")).resolve()
    commit = _git(top, "rev-parse", "--verify", "--quiet", "--end-of-options", since + "^{commit}")
    if commit is None:
        raise ConfigError(
            f'--changed-since: this repository has no commit "{since}"; in GitHub Actions, '
            "check out with fetch-depth: 0"
        )
    differing = _git(top, "diff", "--name-only", "-z", "--no-renames", "--no-ext-diff",
                     commit.strip(), "--")  # fmt: skip
    untracked = _git(top, "ls-files", "--others", "--exclude-standard", "-z")
    if differing is None or untracked is None:
        raise ConfigError(f"--changed-since: git cannot compare the files with {since}")
    names = (*differing.split("\0"), *untracked.split("\0"))
    return tuple(top / name for name in names if name)


def _git(folder: Path, *arguments: str) -> str | None:
    """What git answers; None where it answers with an error."""
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and the one foreign word is a revision
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - the user's own git
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_GIT_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise ConfigError("--changed-since needs git, and there is no git on the PATH") from None
    except subprocess.TimeoutExpired:
        raise ConfigError("--changed-since: git does not answer") from None
    return done.stdout.decode(errors="surrogateescape") if done.returncode == 0 else None
