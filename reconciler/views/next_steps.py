"""What is left to do after ``init``: commands to paste, for sh and for PowerShell. Pure.

The ids are those of Microsoft Graph's application permissions
(https://learn.microsoft.com/graph/permissions-reference). Forms of a federated subject: graph.md section 9
and .github/docs/github.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

GRAPH = "00000003-0000-0000-c000-000000000000"
READ_CONFIGURATION = "dc377aa6-52d8-4e23-b271-2a7ae04cedf3"
WRITE_CONFIGURATION = "9241abd9-d0e6-425a-bd4f-47ba86e767a4"
READ_GROUP_MEMBERS = "98830695-27a2-44f7-8c18-0c3ebc9698f6"
_SAFE_LABEL = re.compile(r"[A-Za-z0-9._-]+")
_IDS_SINCE = "2026-07-15"
"""Repositories created from this day on have ids in their subjects (GitHub changelog, 2026-04-23)."""


@dataclass(frozen=True, slots=True)
class Shell:
    """How a shell sets and reads a variable, and writes a file."""

    assign: str
    variable: str
    write: str


SH = Shell("{name}=$({command})", '"${name}"', "cat > credential.json <<END\n{json}\nEND")
POWERSHELL = Shell("${name} = {command}", "${name}", '@"\n{json}\n"@ | Set-Content credential.json')


def render(*, tenant: str, label: str, repository: str, shell: Shell) -> str:
    """The commands that register the apps, and connect them with the repository's environments."""
    if not _SAFE_LABEL.fullmatch(label):
        return (
            f'The label "{label}" holds characters that need care in commands; .github/docs/github.md '
            "of reconciler has the steps.\n"
        )
    return "\n".join(_lines(tenant, label, repository, shell)) + "\n"


def _lines(tenant: str, label: str, repository: str, shell: Shell) -> Iterator[str]:
    reader, writer = _read(shell, "READER"), _read(shell, "WRITER")
    yield "# 1. Two apps: what reads can never write. Granting consent needs an administrator."
    yield f"az login --tenant {tenant} --allow-no-subscriptions"
    for name, app in (("READER", "reconciler-reader"), ("WRITER", "reconciler-writer")):
        create = (
            f"az ad app create --display-name {app} --sign-in-audience AzureADMyOrg "
            "--query appId --output tsv"
        )
        yield shell.assign.format(name=name, command=create)
        yield f"az ad sp create --id {_read(shell, name)}"
    for app, first in ((reader, READ_CONFIGURATION), (writer, WRITE_CONFIGURATION)):
        roles = f"{first}=Role {READ_GROUP_MEMBERS}=Role"
        yield f"az ad app permission add --id {app} --api {GRAPH} --api-permissions {roles}"
        yield f"az ad app permission admin-consent --id {app}"
    yield ""
    yield "# 2. Federated credentials and environments: no secret is needed."
    yield shell.assign.format(name="SUBJECT", command=_subject(repository))
    for kind, app in (("plan", reader), ("apply", writer), ("heal", writer)):
        environment = f"{kind}-{label}"
        yield shell.write.format(json=_credential(environment))
        yield f"az ad app federated-credential create --id {app} --parameters credential.json"
        yield f"gh api --method PUT repos/{repository}/environments/{environment}"
        yield f"gh variable set AZURE_CLIENT_ID --repo {repository} --env {environment} --body {app}"
    yield ""
    yield f"# 3. In the settings of apply-{label} on GitHub: required reviewers, and main as the one branch."
    yield "#    On main: require a pull request with a review, and the check: intune / all plans"


def _read(shell: Shell, name: str) -> str:
    return shell.variable.format(name=name)


def _subject(repository: str) -> str:
    """Ask GitHub for the form of this repository's subject."""
    with_ids = r'"repo:\(.owner.login)@\(.owner.id)/\(.name)@\(.id)"'
    jq = f'if .created_at >= "{_IDS_SINCE}" then {with_ids} else "repo:" + .full_name end'
    return f"gh api repos/{repository} --jq '{jq}'"


def _credential(environment: str) -> str:
    return (
        f'{{"name": "{environment}", "issuer": "https://token.actions.githubusercontent.com", '
        f'"subject": "${{SUBJECT}}:environment:{environment}", '
        '"audiences": ["api://AzureADTokenExchange"]}'
    )
