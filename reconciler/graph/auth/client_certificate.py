"""Read the certificate that an app signs in with, from PEM or PFX. Reads one file; imports cryptography.

MSAL would take the file as it is, but says little about what is wrong with it. So it is opened here: a
missing file, a wrong password, a missing or foreign key, and an expired certificate each get a message.
No message shows the path: people put the certificate and its key themselves into the variable.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.graph.auth.app_credentials import MsalCredential, path_fault
from reconciler.graph.auth.token_claims import TokenClaims
from reconciler.model.errors import AuthError
from reconciler.model.ports import Clock
from reconciler.runtime.known_secrets import KNOWN

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from cryptography.x509 import Certificate

LARGEST_FILE = 1024 * 1024
PATH_VARIABLE = "AZURE_CLIENT_CERTIFICATE_PATH"
PASSWORD_VARIABLE = "AZURE_CLIENT_CERTIFICATE_PASSWORD"  # noqa: S105 - its name, not its value


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A certificate with its private key, in one file."""

    path: Path = field(repr=False)
    clock: Clock = field(repr=False)
    password: str | None = field(default=None, repr=False)

    def describe(self) -> str:
        """Name the kind and the variable."""
        return f"certificate ({PATH_VARIABLE})"

    def for_msal(self) -> MsalCredential:
        """Key and certificate as PEM text; without a thumbprint MSAL signs with PS256 and sends x5c.

        That suits both ways to register: the certificate itself, and its subject and issuer
        (graph.md section 9).
        """
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - slow to import

        key, certificate = self._opened()
        self._check_dates(certificate.not_valid_before_utc, certificate.not_valid_after_utc)
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        public = certificate.public_bytes(serialization.Encoding.PEM)
        KNOWN.learn(private.decode())
        return {"private_key": private.decode(), "public_certificate": public.decode()}

    def assertion(self) -> TokenClaims | None:
        """The assertion made of a certificate says nothing that the app's id does not."""
        return None

    def _opened(self) -> tuple[RSAPrivateKey, Certificate]:
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415

        content = self._content()
        is_pem = b"-----BEGIN" in content
        key, certificates = self._from_pem(content) if is_pem else self._from_pfx(content)
        if not isinstance(key, RSAPrivateKey):
            raise self._fault("its key is not RSA, the one kind that Microsoft Entra takes")
        public = key.public_key()
        # A PEM file may hold a chain, in any order: the one that matters is the key's own.
        own = next((each for each in certificates if each.public_key() == public), None)
        if own is None:
            missing = (
                "it holds no certificate"
                if not certificates
                else "its certificate is of another key"
            )
            raise self._fault(
                f"{missing}: put the private key and its certificate into the one file"
            )
        return key, own

    def _content(self) -> bytes:
        try:
            with self.path.open("rb") as file:
                content = file.read(LARGEST_FILE + 1)
        except (OSError, ValueError) as error:
            raise AuthError(
                f"cannot sign in with a certificate: {PATH_VARIABLE} {path_fault(self.path, error)}"
            ) from None
        if not content or len(content) > LARGEST_FILE:
            raise self._fault("it is empty" if not content else "it is too large for a certificate")
        return content

    def _from_pem(self, content: bytes) -> tuple[PrivateKeyTypes, tuple[Certificate, ...]]:
        from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
        from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415
        from cryptography.x509 import load_pem_x509_certificates  # noqa: PLC0415

        if b"PRIVATE KEY-----" not in content:
            raise self._fault("it holds no private key: append the key's PEM block to it")
        encrypted = b"ENCRYPTED" in content
        if encrypted and not self.password:
            raise self._fault(f"its key is encrypted: set {PASSWORD_VARIABLE}")
        password = self.password.encode() if encrypted and self.password else None
        try:
            key = load_pem_private_key(_key_block(content), password)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise self._fault(
                f"its key cannot be opened: check {PASSWORD_VARIABLE}"
                if encrypted
                else "its private key cannot be read"
            ) from None
        if b"BEGIN CERTIFICATE-----" not in content:
            return key, ()
        try:
            return key, tuple(load_pem_x509_certificates(content))
        except ValueError:
            raise self._fault("its certificate cannot be read") from None

    def _from_pfx(self, content: bytes) -> tuple[PrivateKeyTypes, tuple[Certificate, ...]]:
        from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
        from cryptography.hazmat.primitives.serialization import pkcs12  # noqa: PLC0415

        # A PFX "without a password" has either none or an empty one, by the tool that wrote it.
        for password in [self.password.encode()] if self.password else [None, b""]:
            try:
                key, certificate, chain = pkcs12.load_key_and_certificates(content, password)
            except (ValueError, TypeError, UnsupportedAlgorithm):
                continue
            if key is None:
                raise self._fault("it holds no private key: export it again, with its key")
            return key, tuple(each for each in (certificate, *chain) if each is not None)
        state = "is wrong, or it" if self.password else "is not set, or it"
        raise self._fault(f"{PASSWORD_VARIABLE} {state} is neither a PEM nor a PFX file")

    def _check_dates(self, begins: datetime, ends: datetime) -> None:
        now = self.clock.now()
        if ends <= now:
            raise self._fault(
                f"it expired on {ends:%Y-%m-%d}: make a new one and upload it to the app"
            )
        if begins > now:
            raise self._fault(f"it is valid only from {begins:%Y-%m-%d %H:%M} UTC: check the clock")

    def _fault(self, what: str) -> AuthError:
        return AuthError(f"cannot sign in with the certificate that {PATH_VARIABLE} names: {what}")


def _key_block(content: bytes) -> bytes:
    """The private key's PEM block alone: the parser also stumbles over what stands around it."""
    mark = b"PRIVATE KEY-----"
    first = content.index(mark)
    last = content.index(mark, first + 1) + len(mark)
    return content[content.rindex(b"-----BEGIN", 0, first) : last] + b"\n"
