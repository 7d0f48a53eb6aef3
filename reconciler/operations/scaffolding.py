"""Lay out a new tenant root and the workflows of its repository. Nothing that exists is overwritten.

Stages: find out which tenant it is, write the files that are missing, import if that was asked for.
What can be found out is not asked: the tenant from the sign-in, the repository from its git remote.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from reconciler.graph.auth.token_claims import read_claims
from reconciler.loader import load
from reconciler.loader.json_schema import policies_schema, tenant_schema
from reconciler.loader.policy_writer import scalar
from reconciler.model.errors import AuthError, ConfigError, UsageError
from reconciler.model.state import Cloud, TenantIdentity
from reconciler.operations.connect import Session, connect, sign_in
from reconciler.operations.importing import ImportRequest, ImportResult, run_import
from reconciler.operations.tenant_check import check_tenant, identify
from reconciler.operations.write_files import replace_file

OWNER_AND_REPO = "OWNER/REPO"
"""Stands where the repository is not known."""

_GITHUB = re.compile(r"github\.com[:/]([\w.-]+)/([\w.-]+?)(?:\.git)?/?$")
_DEFAULT_PATH = "desired-state"
_WORKFLOWS = ("plan.yml", "apply.yml", "drift.yml")
_GIT_TIME = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class InitRequest:
    """What to lay out. ``tenant`` and ``label`` are None where they are to be found out.

    ``ask`` asks a person for the tenant; None where there is nobody to ask.
    """

    root: Path
    tenant: str | None
    label: str | None
    with_import: bool
    ask: Callable[[], str] | None


@dataclass(frozen=True, slots=True)
class InitResult:
    """What was written and what was there, as paths to show; what the next steps need to know.

    ``repository`` is ``OWNER/REPO`` in words where git does not tell. ``is_checked`` says that a
    sign-in has proved the tenant.
    """

    written: tuple[str, ...]
    kept: tuple[str, ...]
    tenant: str
    label: str
    repository: str
    is_checked: bool
    imported: ImportResult | None


def run_init(request: InitRequest, session: Session) -> InitResult:
    """Lay out the root and the workflows.

    Raises `UsageError` where the tenant is not known and nobody can be asked, `AuthError` where the
    sign-in leads to another tenant, `ConfigError` where a file cannot be written, and what an import
    raises.
    """
    root = request.root
    if root.exists() and not root.is_dir():
        raise ConfigError(f"{root} is a file; name a folder for the tenant root")
    existing = load(root).config if (root / "tenant.yaml").exists() else None
    if existing is not None:
        identity, tenant, label = None, existing.tenant, existing.label
    else:
        identity, tenant = _tenant(request, session)
        label = request.label or _label(identity, root)
    top = _top(root)
    repository = _repository(top)
    written: list[str] = []
    kept: list[str] = []
    for path, content in _files(root, top, tenant, label, repository, request):
        if path.exists() or path.is_symlink():
            kept.append(path.as_posix())
        else:
            replace_file(path, content.encode("utf-8"))
            written.append(path.as_posix())
    imported = run_import(ImportRequest(root=root), session) if request.with_import else None
    session.progress.end()
    return InitResult(
        tuple(written), tuple(kept), tenant, label, repository, identity is not None, imported
    )


def _tenant(request: InitRequest, session: Session) -> tuple[TenantIdentity | None, str]:
    """The tenant that a sign-in leads to, else the one that was named, else the one that is asked for."""
    named = request.tenant or _named_by_sign_in(session)
    if session.sandbox is not None or named is not None:
        identity = _identity(session, named or "organizations")
        if identity is not None:
            if request.tenant is not None:
                check_tenant(request.tenant, identity, declared_in="--tenant")
            return identity, request.tenant or identity.id
    if named is None and request.ask is not None:
        named = request.ask()
    if not named:
        raise UsageError(
            "the tenant is not known: sign in (AZURE_TENANT_ID and a credential), or name it with "
            "--tenant"
        )
    return None, named


def _named_by_sign_in(session: Session) -> str | None:
    token = session.environ.get("RECONCILER_ACCESS_TOKEN", "").strip()
    claimed = read_claims(token).tenant_id if token else None
    return claimed or session.environ.get("AZURE_TENANT_ID", "").strip() or None


def _identity(session: Session, tenant: str) -> TenantIdentity | None:
    """Ask Graph which tenant it is; None where no way to sign in is complete."""
    try:
        sign_in(session, cloud=Cloud.GLOBAL, tenant=tenant)
    except (AuthError, UsageError):
        return None
    session.progress.stage("Asking which tenant it is")
    with connect(session, cloud=Cloud.GLOBAL, tenant=tenant) as connection:
        return identify(
            session, connection.tenant, connection.tokens, declared=tenant, cloud=Cloud.GLOBAL
        )


def _label(identity: TenantIdentity | None, root: Path) -> str:
    name = identity.display_name if identity else None
    slug = re.sub(r"[^a-z0-9]+", "-", (name or "").lower()).strip("-")
    return slug or root.resolve().name


def _top(root: Path) -> Path:
    """The folder that holds ``.git``, else the working directory."""
    here = root.resolve()
    tops = (folder for folder in (here, *here.parents) if (folder / ".git").exists())
    return next(tops, Path.cwd())


def _repository(top: Path) -> str:
    """Owner and name from the git remote ``origin``."""
    try:
        ran = subprocess.run(  # noqa: S603 - no part of it is foreign but the folder
            ["git", "-C", str(top), "remote", "get-url", "origin"],  # noqa: S607 - the user's git
            capture_output=True,
            text=True,
            timeout=_GIT_TIME,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return OWNER_AND_REPO
    match = _GITHUB.search(ran.stdout.strip())
    return f"{match[1]}/{match[2]}" if match else OWNER_AND_REPO


def _files(
    root: Path, top: Path, tenant: str, label: str, repository: str, request: InitRequest
) -> Iterator[tuple[Path, str]]:
    yield root / "tenant.yaml", _TENANT_FILE.format(tenant=tenant, label=scalar(label))
    yield root / "tenant.schema.json", _json(tenant_schema())
    yield root / "policies.schema.json", _json(policies_schema())
    has_policies = any((root / "policies").glob("**/*.y*ml"))
    if not request.with_import and not has_policies:
        yield root / "policies" / "example.yaml", _EXAMPLE
    yield top / ".gitignore", _GITIGNORE
    path = _relative(root, top)
    yield top / ".github" / "CODEOWNERS", _codeowners(path, repository)
    for name in _WORKFLOWS:
        yield top / ".github" / "workflows" / name, _workflow(name, path)


def _relative(root: Path, top: Path) -> str:
    resolved = root.resolve()
    return resolved.relative_to(top).as_posix() if resolved.is_relative_to(top) else root.as_posix()


def _workflow(name: str, path: str) -> str:
    """A caller of the reusable workflow, for the folder that was named."""
    text = resources.files("reconciler.operations").joinpath("workflows", name).read_text("utf-8")
    if path == _DEFAULT_PATH:
        return text
    line = f"      path: {scalar(path)}\n"
    if "    with:\n" in text:
        return text.replace("    with:\n", f"    with:\n{line}", 1)
    return f"{text}    with:\n{line}"


def _codeowners(path: str, repository: str) -> str:
    owner = repository.partition("/")[0]
    return _CODEOWNERS.format(owner=owner, path=path.strip("/"))


def _json(schema: Mapping[str, object]) -> str:
    return json.dumps(schema, indent=2) + "\n"


_TENANT_FILE = """\
# yaml-language-server: $schema=tenant.schema.json
tenant: {tenant}
label: {label}
# additive leaves what you do not declare as it is; see .github/docs/desired-state.md of reconciler.
ownership: additive
guardrails:
  max_creates: 50
  max_updates: 20
  max_deletes: 0
"""

_EXAMPLE = """\
# yaml-language-server: $schema=../policies.schema.json
# Replace this example, or delete it and write your live policies with: reconciler import
policies:
  - name: Display name of a compliance policy
    include:
      - group: Display name of a group
"""

_GITIGNORE = """\
.reconciler/
plan.json
"""

_CODEOWNERS = """\
# Who must review what. In an organization name a team instead: @{owner}/TEAM
/.github/ @{owner}
/{path}/ @{owner}
"""
