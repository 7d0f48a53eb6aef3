"""Open a tenant root: its files must be valid, and the sign-in must lead to the tenant they are for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reconciler.loader import Loaded
from reconciler.model.diagnostics import Diagnostic
from reconciler.model.errors import ConfigError
from reconciler.model.state import DesiredState, TenantConfig, TenantIdentity
from reconciler.operations.connect import Connection, Session, connect
from reconciler.operations.roots import label_of
from reconciler.operations.tenant_check import check_tenant, identify


class InvalidFilesError(ConfigError):
    """The files of a tenant root have errors, so nothing was done.

    ``diagnostics`` are all of them, with the warnings; ``label`` is the tenant's, or the folder's
    name where ``tenant.yaml`` does not say.
    """

    def __init__(self, root: Path, label: str, diagnostics: tuple[Diagnostic, ...]) -> None:
        """Keep what is to be shown."""
        super().__init__("the files have errors, shown above; nothing was done")
        self.root = root
        self.label = label
        self.diagnostics = diagnostics


@dataclass(frozen=True, slots=True)
class OpenTenant:
    """The way to a tenant that is known to be the declared one."""

    connection: Connection
    identity: TenantIdentity


def valid_state(root: Path, loaded: Loaded) -> DesiredState:
    """The desired state of a root. Raises `InvalidFilesError` where its files have errors."""
    if loaded.state is None:
        raise InvalidFilesError(root, label_of(root, loaded), loaded.diagnostics)
    return loaded.state


@contextmanager
def open_tenant(config: TenantConfig, session: Session) -> Iterator[OpenTenant]:
    """Connect for reading, and prove that the tenant is the declared one before anything is read.

    Raises what connecting raises, and `AuthError` for another tenant.
    """
    with connect(session, cloud=config.cloud, tenant=config.tenant) as connection:
        session.progress.stage(session.reading_stage)
        yield OpenTenant(connection, prove_tenant(config, session, connection))


def prove_tenant(config: TenantConfig, session: Session, connection: Connection) -> TenantIdentity:
    """Name the tenant that is signed in to. Raises `AuthError` where it is not the declared one."""
    identity = identify(
        session,
        connection.tenant,
        connection.tokens,
        declared=config.tenant,
        cloud=config.cloud,
    )
    check_tenant(config.tenant, identity, declared_in=config.location.file)
    return identity
