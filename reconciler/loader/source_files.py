"""Find and read the files of a tenant root. Does I/O: it reads folders and files.

What cannot be read is a diagnostic and never passed over. Links are followed to files inside the
tenant root and the folders it extends, and nowhere else, and what it extends lies in its repository:
the lines of a file that does not parse are shown in logs and comments, and a pull request could aim
at anything on the machine.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from collections.abc import Mapping as ReadOnly
from dataclasses import dataclass
from pathlib import Path

from reconciler.loader.document import MAX_BYTES
from reconciler.model.diagnostics import Diagnostic, Location, error, warning
from reconciler.model.errors import ConfigError
from reconciler.model.text import visible

TENANT_FILE = "tenant.yaml"
LOCK_FILE = "reconciler.lock.yaml"
_SUFFIXES = (".yaml", ".yml")
_TENANT_NAMES = ("tenant.yaml", "tenant.yml")
_GIT = ".git"


@dataclass(frozen=True, slots=True)
class Source:
    """A file of the desired state: as diagnostics name it, and where it lies."""

    file: str
    path: Path


class SourceFiles:
    """The files of one tenant root, in the order they count; ``diagnostics`` says what cannot be read.

    ``overlay`` holds files below the root that are not written yet, by path: they count as if they
    were there, in place of those that are.
    """

    def __init__(self, root: Path, overlay: ReadOnly[str, bytes] | None = None) -> None:
        self.root = root
        self._overlay = overlay or {}
        self.tenant = Source(TENANT_FILE, root / TENANT_FILE)
        self.policy_files: list[Source] = []
        self.lock: Source | None = None
        self.diagnostics: list[Diagnostic] = []
        self._seen: set[tuple[int, int]] = set()
        self.folders = [root.resolve()]
        self._repository = _repository(root.resolve())

    def add_extended(self, text: str, place: Location) -> None:
        """Add the policy files of a folder named under ``extends``."""
        if Path(text).anchor:
            advice = "write the path as it leads there from the folder of tenant.yaml"
            self._error("extends-absolute", "the path is absolute", place, advice)
            return
        folder = self.root / text
        try:
            real = folder.resolve()
            is_inside = _is_within(real, self._repository)
            is_folder, exists = (real.is_dir(), real.exists()) if is_inside else (False, False)
        except (OSError, RuntimeError, ValueError) as failure:
            self._error(
                "extends-missing", f"the folder cannot be reached: {_reason(failure)}", place
            )
            return
        if not is_inside:
            message = "the path leads out of the repository's files"
            advice = (
                f"its top is the folder with {_GIT}, or where there is none the folder above "
                "this tenant root; put what is shared below it"
            )
            self._error("extends-outside", message, place, advice)
        elif not is_folder:
            message = "this is a file, not a folder" if exists else "there is no such folder"
            advice = "the path starts from the folder of tenant.yaml; name the folder that holds the files"
            self._error("extends-missing", message, place, advice)
        elif real == self.root.resolve():
            advice = "remove the entry: a tenant root's own files count anyway"
            self._error("extends-itself", "the tenant root extends itself", place, advice)
        elif real in self.folders:
            message, advice = "this folder is listed already", "remove the entry"
            self.diagnostics.append(warning("extends-repeated", message, place, help=advice))
        else:
            self.folders.append(real)
            before = len(self.policy_files)
            shown = os.path.relpath(folder, self.root).replace(os.sep, "/")
            self.add_folder(folder, shown)
            if len(self.policy_files) == before:
                message = "the folder adds no policy file"
                advice = "remove the entry, or check the path"
                self.diagnostics.append(warning("extends-empty", message, place, help=advice))

    def add_folder(self, folder: Path, shown: str) -> None:
        """Add the policy files at any depth below a folder, sorted; a file reached twice counts once."""
        for source in sorted(self._walk(folder, shown), key=lambda source: source.file):
            name = source.path.name
            if name == TENANT_FILE and source.path.parent == folder:
                continue
            if name == LOCK_FILE:
                self._add_lock(source, folder)
                continue
            if name.lower() in _TENANT_NAMES:
                is_taken = _is_tenant_root(source.path.parent)
                advice = (
                    f"move what it says to {TENANT_FILE}"
                    if is_taken
                    else f"rename it to {TENANT_FILE}"
                )
                self._error("tenant-file-name", f"{name} is not read", _start(source.file), advice)
            elif self._is_new(source):
                self.policy_files.append(source)

    def _add_lock(self, source: Source, folder: Path) -> None:
        """Keep the root's own lock; that of an extended folder belongs to another root."""
        if folder != self.root:
            return
        if source.path.parent == self.root:
            self.lock = source
            return
        message = f"{LOCK_FILE} counts beside {TENANT_FILE} alone, so it has no effect here"
        self._error("lock-misplaced", message, _start(source.file), "move it there, or remove it")

    def add_overlay(self) -> None:
        """Add the files that only the overlay has."""
        if LOCK_FILE in self._overlay:
            self.lock = Source(LOCK_FILE, self.root / LOCK_FILE)
        known = {LOCK_FILE, *(source.file for source in self.policy_files)}
        self.policy_files += [
            Source(file, self.root / file) for file in sorted(self._overlay.keys() - known)
        ]

    def read(self, source: Source) -> bytes | None:
        """Read a file; None where that failed, and a diagnostic says why."""
        if source.file in self._overlay:
            return self._overlay[source.file]
        place = _start(source.file)
        try:
            if not stat.S_ISREG(source.path.stat().st_mode):  # opening a pipe would wait for ever
                self._error("not-a-file", "this is not a file", place, "rename or remove it")
            elif source.path.is_symlink() and not self._is_allowed(source.path):
                message = "the link leads out of the tenant root"
                advice = "put the file itself here, or list its folder under extends in tenant.yaml"
                self._error("link-outside", message, place, advice)
            else:
                with source.path.open("rb") as stream:
                    return stream.read(MAX_BYTES + 1)
        except FileNotFoundError:
            message = "the link leads nowhere" if source.path.is_symlink() else "the file is gone"
            self._error(
                "unreadable-file", message, place, "correct the link, or put the file itself here"
            )
        except (OSError, RuntimeError) as failure:
            message = f"the file cannot be read: {_reason(failure)}"
            self._error("unreadable-file", message, place, "check its permissions")
        return None

    def _walk(self, folder: Path, shown: str) -> Iterator[Source]:
        waiting = [(folder, shown)]
        while waiting:
            current, prefix = waiting.pop()
            for entry in self._entries(current, prefix):
                file = _printable(entry.name if prefix == "." else f"{prefix}/{entry.name}")
                is_yaml = entry.name.lower().endswith(_SUFFIXES)
                if entry.is_symlink() and os.path.isdir(entry.path):  # noqa: PTH112 - as below
                    message = "a link to a folder is not followed"
                    advice = "list the folder it leads to under extends in tenant.yaml"
                    self.diagnostics.append(
                        warning("link-to-folder", message, _start(file), help=advice)
                    )
                elif entry.is_dir(follow_symlinks=False):
                    if is_yaml:
                        message = "this is a folder with the name of a YAML file"
                        self._error("not-a-file", message, _start(file), "rename or remove it")
                    elif not _is_tenant_root(Path(entry.path)):
                        waiting.append((Path(entry.path), file))
                elif is_yaml:
                    yield Source(file, Path(entry.path))

    def _entries(self, folder: Path, shown: str) -> list[os.DirEntry[str]]:
        try:
            return _visible(folder)
        except OSError as failure:
            message = f"the folder cannot be read: {_reason(failure)}"
            self._error("unreadable-folder", message, _start(shown), "check its permissions")
            return []

    def _is_new(self, source: Source) -> bool:
        try:
            status = source.path.stat()
        except OSError:
            return True  # reading it will say what is wrong
        identity = (status.st_dev, status.st_ino)
        if identity in self._seen:
            return False
        self._seen.add(identity)
        return True

    def _is_allowed(self, path: Path) -> bool:
        real = path.resolve()
        return any(_is_within(real, folder) for folder in self.folders)

    def _error(self, code: str, message: str, place: Location, help: str = "") -> None:
        self.diagnostics.append(error(code, message, place, help=help))


def discover_roots(path: Path) -> tuple[Path, ...]:
    """Find the tenant roots at or below a folder, sorted; hidden folders and links are passed over."""
    roots, waiting = [], [path]
    while waiting:
        current = waiting.pop()
        if _is_tenant_root(current):
            roots.append(current)
        try:
            entries = _visible(current)
        except OSError as failure:
            raise ConfigError(
                f'the folder "{current}" cannot be read: {_reason(failure)}'
            ) from failure
        waiting += [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
    return tuple(sorted(roots))


def _visible(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return [entry for entry in entries if not entry.name.startswith(".")]


def _repository(root: Path) -> Path:
    """The top of the repository that a tenant root lies in.

    Without git it is the working directory, where the root lies below it, else the root's parent.
    """
    tops = (folder for folder in (root, *root.parents) if os.path.lexists(folder / _GIT))
    here = Path.cwd().resolve()
    return next(tops, here if here in root.parents else root.parent)


def _is_within(real: Path, folder: Path) -> bool:
    """Whether a resolved path lies in a folder, and not in git's own files: those may hold tokens."""
    if not real.is_relative_to(folder):
        return False
    return _GIT not in (part.casefold() for part in real.relative_to(folder).parts)


def _is_tenant_root(folder: Path) -> bool:
    return os.path.isfile(folder / TENANT_FILE)  # noqa: PTH113 - Path.is_file raises where it may not look


def _start(file: str) -> Location:
    return Location(file, 1, 1)


def _printable(file: str) -> str:
    """Make a file name fit for a terminal: names of files may hold anything at all."""
    return visible(os.fsencode(file).decode("utf-8", "replace"))


def _reason(failure: Exception) -> str:
    return (getattr(failure, "strerror", None) or str(failure)).lower()
