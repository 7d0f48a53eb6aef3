"""Signing in with a certificate, and what is wrong with a file that does not hold one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from reconciler.graph.auth.token_claims import read_claims
from tests.support.authority import CLIENT
from tests.support.certificates import make_certificate
from tests.support.signin import TOKEN, refused


@pytest.fixture
def app_certificate(authority, rsa_key):
    made = make_certificate(rsa_key)
    authority.certificates.append(made)
    return made


@pytest.fixture
def certificate_file(tmp_path, authority, pick):
    """Write a certificate file, and choose it."""

    def write(content, password=None):
        path = tmp_path / "app-certificate"
        path.write_bytes(content)
        more = {"AZURE_CLIENT_CERTIFICATE_PASSWORD": password} if password is not None else {}
        return pick(authority.environ(AZURE_CLIENT_CERTIFICATE_PATH=str(path), **more))

    return write


@pytest.mark.parametrize(
    ("form", "password"),
    [
        (lambda c: c.key_pem() + c.certificate_pem(), None),
        (lambda c: c.certificate_pem() + c.key_pem(), ""),
        (lambda c: c.certificate_pem() + c.key_pem("pass word "), "pass word "),
        (lambda c: c.key_pem() + c.certificate_pem(), "needless"),
        (lambda c: c.pfx(), None),
        (lambda c: c.pfx("pass word "), "pass word "),
    ],
    ids=[
        "key first",
        "certificate first",
        "encrypted",
        "needless password",
        "pfx",
        "pfx encrypted",
    ],
)
def test_a_certificate_signs_in(app_certificate, certificate_file, authority, form, password):
    source = certificate_file(form(app_certificate), password)

    assert read_claims(source.token()).app_id == CLIENT
    header = jwt.get_unverified_header(authority.form()["client_assertion"])
    assert header["alg"] == "PS256"
    assert "x5c" in header


def test_of_a_chain_the_keys_own_certificate_is_taken(app_certificate, certificate_file):
    issuer = make_certificate(rsa.generate_private_key(public_exponent=65537, key_size=1024))
    content = issuer.certificate_pem() + app_certificate.certificate_pem()

    assert certificate_file(content + app_certificate.key_pem()).token()


def test_an_unregistered_certificate_says_where_to_register_it(rsa_key, certificate_file):
    made = make_certificate(rsa_key)

    message = refused(certificate_file(made.pfx()))

    assert "AADSTS700027" in message
    assert "upload its public part" in message


def elliptic(_):
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


@pytest.mark.parametrize(
    ("form", "password", "said"),
    [
        (lambda c: c.certificate_pem(), None, "it holds no private key"),
        (lambda c: c.key_pem(), None, "it holds no certificate"),
        (
            lambda c: c.key_pem("right") + c.certificate_pem(),
            None,
            "its key is encrypted: set AZURE_CLIENT_CERTIFICATE_PASSWORD",
        ),
        (
            lambda c: c.key_pem("right") + c.certificate_pem(),
            "Canary",
            "its key cannot be opened: check AZURE_CLIENT_CERTIFICATE_PASSWORD",
        ),
        (lambda c: c.pfx("right"), "Canary", "AZURE_CLIENT_CERTIFICATE_PASSWORD is wrong, or it"),
        (lambda c: c.pfx("right"), None, "AZURE_CLIENT_CERTIFICATE_PASSWORD is not set, or it"),
        (lambda c: c.pfx(with_key=False), None, "it holds no private key: export it again"),
        (lambda c: b"Canary", None, "neither a PEM nor a PFX file"),
        (lambda c: b"", None, "it is empty"),
        (lambda c: b"x" * 1_100_000, None, "it is too large"),
        (elliptic, None, "its key is not RSA"),
        (
            lambda c: b"-----BEGIN PRIVATE KEY-----\nCanary\n-----END PRIVATE KEY-----\n",
            None,
            "its private key cannot be read",
        ),
        (
            lambda c: c.key_pem() + b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n",
            None,
            "its certificate cannot be read",
        ),
        (lambda c: b"-----BEGIN x-----\nPRIVATE KEY-----", None, "its private key cannot be read"),
    ],
)
def test_a_certificate_file_in_bad_order_is_explained(
    app_certificate, certificate_file, authority, form, password, said
):
    message = refused(certificate_file(form(app_certificate), password))

    assert said in message
    assert "AZURE_CLIENT_CERTIFICATE_PATH" in message
    assert "Canary" not in message
    assert authority.count(TOKEN) == 0


@pytest.mark.parametrize(
    ("begins", "said"), [(-40, "it expired on 20"), (5, "it is valid only from 20")]
)
def test_a_certificate_out_of_its_time_is_refused(rsa_key, certificate_file, begins, said):
    made = make_certificate(rsa_key, begins=datetime.now(UTC) + timedelta(days=begins))

    assert said in refused(certificate_file(made.pfx()))


def test_a_certificate_of_another_key_is_refused(app_certificate, certificate_file):
    other = make_certificate(rsa.generate_private_key(public_exponent=65537, key_size=1024))

    message = refused(certificate_file(other.key_pem() + app_certificate.certificate_pem()))

    assert "its certificate is of another key" in message


def test_a_missing_certificate_file_is_named(pick, authority):
    source = pick(authority.environ(AZURE_CLIENT_CERTIFICATE_PATH="missing.pem"))

    message = refused(source)

    assert "AZURE_CLIENT_CERTIFICATE_PATH names a file that cannot be read: No such file" in message
    assert "missing.pem" not in message
