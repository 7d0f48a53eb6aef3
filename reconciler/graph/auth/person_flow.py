"""Sign a person in through MSAL, by code or by browser. Does network I/O; opens a browser where asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.graph.auth.msal_library import authority_url, quiet_msal, result_of
from reconciler.graph.auth.sign_in_http import SigninHttp, Wire
from reconciler.graph.auth.token_claims import TokenClaims
from reconciler.graph.clouds import CloudEndpoints
from reconciler.model.errors import AuthError
from reconciler.model.text import visible

Prompt = Callable[[Any, str], Mapping[str, object]]
"""Sign a person in: given MSAL's application and the scope, give its result."""


@dataclass(slots=True)
class PersonFlow:
    """A person signs in, once; the account is remembered where the system can protect it."""

    client_id: str
    tenant: str
    endpoints: CloudEndpoints
    kind: str
    prompt: Prompt = field(repr=False)
    note: Callable[[str], None] = field(repr=False)
    http: SigninHttp = field(repr=False)
    cache: Callable[[str], Any] = field(repr=False)
    advice: str = ""
    _app: Any = field(default=None, repr=False)
    _greeted: bool = False

    def describe(self) -> str:
        """Name the way in and the app."""
        return f"{self.kind} sign-in through app {self.client_id}"

    def acquire(self, *, fresh: bool) -> Mapping[str, object]:
        """Silently where an account is remembered, else by asking the person."""
        if self._app is None:
            authority = authority_url(self.endpoints, self.tenant)
            self._app = quiet_msal().PublicClientApplication(
                self.client_id,
                authority=authority,
                instance_discovery=False,
                http_client=self.http,
                token_cache=self.cache(f"{authority} {self.client_id}"),
            )
        silent = self._silently(fresh=fresh)
        return silent if silent is not None else self.prompt(self._app, self.endpoints.scope)

    def _silently(self, *, fresh: bool) -> Mapping[str, object] | None:
        # The cache is one per authority, tenant and app, and holds one account: never a guess.
        for account in self._app.get_accounts():
            result = self._app.acquire_token_silent_with_error(
                [self.endpoints.scope], account=account, force_refresh=fresh
            )
            if result and "access_token" in result:
                if not self._greeted:
                    self._greeted = True
                    self.note(f"signed in as {visible(str(account.get('username')))}")
                return result_of(result)
            self._app.remove_account(account)
        return None

    def assertion(self) -> TokenClaims | None:
        """None is presented."""
        return None


def device_code(wire: Wire, note: Callable[[str], None]) -> Prompt:
    """Show a code to enter on another device, and wait until that has happened."""

    def prompt(app: Any, scope: str) -> Mapping[str, object]:
        flow = app.initiate_device_flow(scopes=[scope])
        if "user_code" not in flow:
            return result_of(flow)
        note(
            f"To sign in, open {visible(str(flow.get('verification_uri')))} "
            f"and enter the code {visible(str(flow['user_code']))}"
        )
        ends = wire.clock.monotonic() + flow["expires_in"]
        while True:
            # MSAL's own loop sleeps by itself; asked to stop after one try, it leaves that to us.
            # It would also warn about the pace by the real clock, which may not be ours.
            flow["latest_attempt_at"] = 0
            result = result_of(
                app.acquire_token_by_device_flow(flow, exit_condition=lambda _: True)
            )
            if result.get("error") not in {"authorization_pending", "slow_down"}:
                return result
            pause = max(1, flow["interval"])
            if wire.clock.monotonic() + pause > ends:
                raise AuthError("nobody entered the code before it expired: run again")
            wire.clock.sleep(pause)

    return prompt


def browser(wire: Wire, note: Callable[[str], None]) -> Prompt:
    """Open the browser of this machine, which comes back to a port on loopback."""

    def prompt(app: Any, scope: str) -> Mapping[str, object]:
        note("To sign in, continue in the browser.")
        seconds = max(1, int(wire.remaining()))
        try:
            return result_of(
                app.acquire_token_interactive(
                    [scope],
                    timeout=seconds,
                    auth_uri_callback=lambda uri: note(f"No browser opened; visit {visible(uri)}"),
                )
            )
        except RuntimeError:  # MSAL's BrowserInteractionTimeoutError, which it does not export
            raise AuthError(
                f"nobody finished the sign-in in the browser within {seconds} seconds"
            ) from None

    return prompt
