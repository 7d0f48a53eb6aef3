"""Where bearer tokens for Graph come from, and the simplest source: a token made elsewhere. Pure: no I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Protocol

from reconciler.graph.auth.token_claims import TokenClaims, read_claims
from reconciler.graph.clouds import CloudEndpoints
from reconciler.model.errors import AuthError
from reconciler.model.ports import Clock
from reconciler.runtime.addresses import is_one_word
from reconciler.runtime.known_secrets import KNOWN

TOKEN_VARIABLE = "RECONCILER_ACCESS_TOKEN"  # noqa: S105 - its name, not its value
_GRAPH_APP_ID = "00000003-0000-0000-c000-000000000000"
_QUOTATION_MARKS = "\"'`\u201c\u201d\u2018\u2019"


class TokenSource(Protocol):
    """Something that hands out bearer tokens for Graph; safe to ask from many threads."""

    def token(self, *, fresh: bool = False) -> str:
        """A valid token; ``fresh`` goes past every cache, for use after a 401. Raises `AuthError`."""
        ...

    def describe(self) -> str:
        """Name the credential for a message, without any value from the environment."""
        ...


@dataclass(frozen=True, slots=True)
class ReadyToken:
    """A token made elsewhere: used as it is, never renewed."""

    value: str = field(repr=False)
    clock: Clock = field(repr=False)

    @classmethod
    def of(cls, text: str, clock: Clock) -> ReadyToken:
        """Take the variable's value. Raises `AuthError` where that is not one token."""
        value = re.sub(r"\Abearer\s+", "", text.strip(), flags=re.IGNORECASE)
        if value[:1] in _QUOTATION_MARKS or value[-1:] in _QUOTATION_MARKS:
            raise AuthError(
                f"{TOKEN_VARIABLE} holds quotation marks around the token: take them away (with "
                f"the Azure CLI, --output tsv prints a value without them)"
            )
        if not is_one_word(value) or "{" in value:
            raise AuthError(
                f"{TOKEN_VARIABLE} does not hold one token: it must be the token alone, without "
                f"blanks, line breaks or JSON around it"
            )
        KNOWN.learn(value)
        return cls(value, clock)

    def describe(self) -> str:
        """Name the variable that it came from."""
        return f"token in {TOKEN_VARIABLE}"

    def token(self, *, fresh: bool = False) -> str:
        """The token, unless it says that it has expired, or Graph has just rejected it."""
        if fresh:
            raise AuthError(f"the token in {TOKEN_VARIABLE} was rejected: get a new one")
        ends = read_claims(self.value).expires_at
        if ends is not None and ends <= self.clock.now():
            raise AuthError(
                f"the token in {TOKEN_VARIABLE} expired at {ends:%Y-%m-%d %H:%M} UTC: get a new one"
            )
        return self.value


def wrong_audience(claims: TokenClaims, endpoints: CloudEndpoints) -> str | None:
    """The audience that a token names, where that is not this cloud's Graph; None where it fits.

    None too where it names no audience at all: nothing is known then.
    """
    audience = claims.audience
    fitting = {endpoints.resource, endpoints.graph, _GRAPH_APP_ID}
    if audience is None or audience.rstrip("/").casefold() in fitting:
        return None
    return audience
