"""Which way to sign in the environment asks for, and what is missing where it is half set. Pure: no I/O."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from enum import StrEnum

from reconciler.graph.auth.app_credentials import GITHUB_PERMISSION
from reconciler.model.errors import AuthError, UsageError

_OWN_APP = (
    "AZURE_CLIENT_ID must name an app registration of yours that allows public client flows and "
    "has delegated Graph permissions: reconciler has no app of its own"
)


class SignInMethod(StrEnum):
    """The ways to sign in, as ``RECONCILER_AUTH`` spells them, in the order in which they are tried."""

    ACCESS_TOKEN = "access-token"  # noqa: S105 - a name, as the next three
    FEDERATED_TOKEN_FILE = "federated-token-file"  # noqa: S105
    GITHUB_OIDC = "github-oidc"
    CERTIFICATE = "certificate"
    CLIENT_SECRET = "client-secret"  # noqa: S105
    MANAGED_IDENTITY = "managed-identity"
    DEVICE_CODE = "device-code"
    INTERACTIVE = "interactive"


_APP = ("AZURE_CLIENT_ID", "AZURE_TENANT_ID")
_OWN: Mapping[SignInMethod, tuple[str, ...]] = {
    SignInMethod.ACCESS_TOKEN: ("RECONCILER_ACCESS_TOKEN",),
    SignInMethod.FEDERATED_TOKEN_FILE: ("AZURE_FEDERATED_TOKEN_FILE",),
    SignInMethod.GITHUB_OIDC: ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"),
    SignInMethod.CERTIFICATE: ("AZURE_CLIENT_CERTIFICATE_PATH",),
    SignInMethod.CLIENT_SECRET: ("AZURE_CLIENT_SECRET",),
}
"""The variables that show that a method is meant."""

_NEEDED: Mapping[SignInMethod, tuple[str, ...]] = {
    **{
        method: own if method is SignInMethod.ACCESS_TOKEN else (*_APP, *own)
        for method, own in _OWN.items()
    },
    SignInMethod.MANAGED_IDENTITY: (),
    SignInMethod.DEVICE_CODE: ("AZURE_CLIENT_ID",),
    SignInMethod.INTERACTIVE: ("AZURE_CLIENT_ID",),
}

_CREDENTIALS = """\
    AZURE_FEDERATED_TOKEN_FILE
    the permission `id-token: write` in GitHub Actions
    AZURE_CLIENT_CERTIFICATE_PATH (and AZURE_CLIENT_CERTIFICATE_PASSWORD)
    AZURE_CLIENT_SECRET"""

_NOTHING = f"""\
no way to sign in: nothing usable is set in the environment. One of these is needed:
  RECONCILER_ACCESS_TOKEN: a ready token for Microsoft Graph
  AZURE_CLIENT_ID and AZURE_TENANT_ID, and one of
{_CREDENTIALS}
  RECONCILER_AUTH=managed-identity, on a machine in Azure
  RECONCILER_AUTH=device-code or interactive with AZURE_CLIENT_ID, on a terminal
To try the program without a tenant, give --sandbox"""

_NO_CREDENTIAL = f"""\
no way to sign in: AZURE_TENANT_ID and AZURE_CLIENT_ID are set, and one of these is missing:
{_CREDENTIALS}
or, without a secret, RECONCILER_AUTH=managed-identity on a machine in Azure, or
RECONCILER_AUTH=device-code on a terminal"""


def chosen_method(
    given: Mapping[str, str], *, interactive: bool, note: Callable[[str], None]
) -> SignInMethod:
    """The method that the environment asks for; ``given`` holds what is set and not blank.

    ``interactive``: a person is at a terminal. ``note`` tells them something. Raises `AuthError` and
    `UsageError` where no method is complete.
    """
    if forced := given.get("RECONCILER_AUTH"):
        return _forced(forced, given, interactive=interactive)
    complete = [method for method in _OWN if all(name in given for name in _NEEDED[method])]
    if complete:
        _name_the_chosen(complete, given, note)
        return complete[0]
    _explain_half_set(given)
    if interactive and "AZURE_CLIENT_ID" in given:
        return SignInMethod.DEVICE_CODE
    raise AuthError(_NO_CREDENTIAL if all(name in given for name in _APP) else _NOTHING)


def _forced(value: str, given: Mapping[str, str], *, interactive: bool) -> SignInMethod:
    names = [method.value for method in SignInMethod]
    if value not in names:
        # Not quoted: by mistake there may be a secret in this variable.
        near = difflib.get_close_matches(value.casefold(), names, n=1)
        nearest = f"; nearest: {near[0]}" if near else ""
        raise UsageError(f"RECONCILER_AUTH must be one of {', '.join(names)}{nearest}")
    method = SignInMethod(value)
    missing = [name for name in _NEEDED[method] if name not in given]
    by_hand = method in {SignInMethod.DEVICE_CODE, SignInMethod.INTERACTIVE}
    if by_hand and not interactive:
        raise AuthError(f"RECONCILER_AUTH={method} needs a terminal with a person at it")
    if missing:
        raise AuthError(_lacking(f"RECONCILER_AUTH={method} needs", missing, method, given))
    return method


def _name_the_chosen(
    complete: list[SignInMethod], given: Mapping[str, str], note: Callable[[str], None]
) -> None:
    """Where two credentials are set, tell which one is used."""
    taken = complete[0]
    others = [
        method
        for method, own in _OWN.items()
        if method is not taken
        and (method in complete or (method is not SignInMethod.GITHUB_OIDC and own[0] in given))
    ]
    if others:
        names = ", ".join(_OWN[method][0] for method in others)
        note(
            f"signing in by {taken} ({_OWN[taken][0]}); also set, and not used: {names} "
            f"(RECONCILER_AUTH names one outright)"
        )


def _explain_half_set(given: Mapping[str, str]) -> None:
    for method, own in _OWN.items():
        present = [name for name in own if name in given]
        if present:
            missing = [name for name in _NEEDED[method] if name not in given]
            raise AuthError(_lacking(f"{present[0]} is set, but it needs", missing, method, given))
    if given.get("GITHUB_ACTIONS") == "true" and all(name in given for name in _APP):
        raise AuthError(
            f"this job cannot ask GitHub for an identity, and no other credential is set: "
            f"{GITHUB_PERMISSION}"
        )


def _lacking(start: str, missing: list[str], method: SignInMethod, given: Mapping[str, str]) -> str:
    verb = "are" if len(missing) > 1 else "is"
    text = f"{start} {' and '.join(missing)}, which {verb} not set"
    if method in {SignInMethod.DEVICE_CODE, SignInMethod.INTERACTIVE}:
        return f"{text}; {_OWN_APP}"
    if method is SignInMethod.GITHUB_OIDC and any(name in missing for name in _OWN[method]):
        if given.get("GITHUB_ACTIONS") == "true":
            return f"{text}; {GITHUB_PERMISSION}"
        return f"{text}; GitHub sets them, inside GitHub Actions alone"
    return text
