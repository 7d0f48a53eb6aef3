"""Choosing how to sign in, and what is said of it; a ready token."""

from __future__ import annotations

import pytest

from reconciler.model.errors import UsageError
from tests.support.authority import CLIENT, SECRET, TENANT
from tests.support.signin import not_chosen, refused


def test_nothing_set_says_what_could_be(pick):
    message = not_chosen(pick, {"AZURE_CLIENT_SECRET": " "})

    for name in ("RECONCILER_ACCESS_TOKEN", "AZURE_CLIENT_SECRET", "id-token: write"):
        assert name in message


SETS = {
    "access-token": {"RECONCILER_ACCESS_TOKEN": "opaque"},
    "federated-token-file": {"AZURE_FEDERATED_TOKEN_FILE": "token"},
    "github-oidc": {
        "ACTIONS_ID_TOKEN_REQUEST_URL": "https://github.example",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "bearer",
    },
    "certificate": {"AZURE_CLIENT_CERTIFICATE_PATH": "app.pem"},
    "client-secret": {"AZURE_CLIENT_SECRET": "secret"},
}
DESCRIBED = {
    "access-token": "token in RECONCILER_ACCESS_TOKEN",
    "federated-token-file": f"federated token (AZURE_FEDERATED_TOKEN_FILE) of app {CLIENT}",
    "github-oidc": f"GitHub Actions identity (OIDC) of app {CLIENT}",
    "certificate": f"certificate (AZURE_CLIENT_CERTIFICATE_PATH) of app {CLIENT}",
    "client-secret": f"client secret of app {CLIENT}",
}
APP = {"AZURE_CLIENT_ID": CLIENT, "AZURE_TENANT_ID": TENANT}


@pytest.mark.parametrize("position", range(len(SETS)))
def test_the_first_complete_set_is_taken_and_the_others_are_named(pick, person, position):
    names = list(SETS)[position:]
    environ = dict(APP)
    for name in names:
        environ |= SETS[name]

    source = pick(environ)

    assert source.describe() == DESCRIBED[names[0]]
    if names[1:]:
        (said,) = person.heard
        assert said.startswith(f"signing in by {names[0]} (")
        for other in names[1:]:
            assert next(iter(SETS[other])) in said
    else:
        assert person.heard == []


@pytest.mark.parametrize("name", SETS)
def test_reconciler_auth_names_one_outright(pick, person, name):
    environ = dict(APP)
    for variables in SETS.values():
        environ |= variables

    source = pick(environ | {"RECONCILER_AUTH": name})

    assert source.describe() == DESCRIBED[name]
    assert person.heard == []


def test_a_misspelt_method_is_refused_with_the_nearest(pick):
    message = not_chosen(pick, {"RECONCILER_AUTH": "client-secrets"}, UsageError)

    assert message.endswith("nearest: client-secret")
    assert "Canary" not in not_chosen(pick, {"RECONCILER_AUTH": "Canary"}, UsageError)


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        (
            {"AZURE_CLIENT_ID": CLIENT, "AZURE_CLIENT_SECRET": "s"},
            "AZURE_CLIENT_SECRET is set, but it needs AZURE_TENANT_ID, which is not set",
        ),
        (
            {"AZURE_CLIENT_CERTIFICATE_PATH": "c"},
            (
                "AZURE_CLIENT_CERTIFICATE_PATH is set, but it needs AZURE_CLIENT_ID and "
                "AZURE_TENANT_ID, which are not set"
            ),
        ),
        (
            APP | {"ACTIONS_ID_TOKEN_REQUEST_URL": "https://x"},
            (
                "ACTIONS_ID_TOKEN_REQUEST_URL is set, but it needs ACTIONS_ID_TOKEN_REQUEST_TOKEN, "
                "which is not set; GitHub sets them, inside GitHub Actions alone"
            ),
        ),
        (APP | {"GITHUB_ACTIONS": "true"}, "give the job the permission `id-token: write`"),
        (
            APP | {"GITHUB_ACTIONS": "true", "RECONCILER_AUTH": "github-oidc"},
            "give the job the permission `id-token: write`",
        ),
        (
            {"RECONCILER_AUTH": "client-secret", "AZURE_CLIENT_ID": CLIENT},
            (
                "RECONCILER_AUTH=client-secret needs AZURE_TENANT_ID and AZURE_CLIENT_SECRET, "
                "which are not set"
            ),
        ),
        ({"AZURE_CLIENT_ID": CLIENT}, "no way to sign in: nothing usable is set"),
        (
            APP,
            (
                "no way to sign in: AZURE_TENANT_ID and AZURE_CLIENT_ID are set, and one of these "
                "is missing:\n    AZURE_FEDERATED_TOKEN_FILE\n"
            ),
        ),
        (
            {"RECONCILER_AUTH": "device-code", "AZURE_CLIENT_ID": CLIENT},
            "RECONCILER_AUTH=device-code needs a terminal with a person at it",
        ),
        (APP | {"AZURE_CLIENT_SECRET": "s", "AZURE_CLIENT_ID": "Canary"}, "AZURE_CLIENT_ID is not"),
        (APP | {"AZURE_CLIENT_SECRET": "s", "AZURE_TENANT_ID": "a/Canary"}, "AZURE_TENANT_ID must"),
        (APP | {"AZURE_CLIENT_SECRET": "s", "AZURE_TENANT_ID": "Common"}, "AZURE_TENANT_ID must"),
    ],
)
def test_half_a_set_is_explained(pick, environ, said):
    message = not_chosen(pick, environ)

    assert said in message
    assert "Canary" not in message


def test_a_person_without_an_app_is_told_to_bring_one(pick, person):
    person.there = True

    message = not_chosen(pick, {"RECONCILER_AUTH": "interactive"})

    assert "AZURE_CLIENT_ID, which is not set" in message
    assert "reconciler has no app of its own" in message


def test_a_person_at_a_terminal_with_an_app_signs_in_by_code(pick, person):
    person.there = True

    source = pick({"AZURE_CLIENT_ID": CLIENT})

    assert source.describe() == f"device code sign-in through app {CLIENT}"


def test_choosing_sends_nothing(pick, authority):
    pick(authority.environ(AZURE_CLIENT_SECRET=SECRET))

    assert authority.seen == []


# A ready token.


@pytest.mark.parametrize("value", ["opaque", " opaque\r\n", "Bearer opaque", "bearer  opaque\n"])
def test_a_ready_token_is_used_as_it_is(pick, value):
    assert pick({"RECONCILER_ACCESS_TOKEN": value}).token() == "opaque"


@pytest.mark.parametrize("value", ["two words", "a\x00b", "a\nb", "{'accessToken':'x'}", "t\u00f6"])
def test_what_is_not_one_token_is_refused(pick, value):
    message = not_chosen(pick, {"RECONCILER_ACCESS_TOKEN": value})

    assert "does not hold one token" in message
    assert value not in message


@pytest.mark.parametrize("marks", ['""', "''", "``", "\u201c\u201d", '"\n'])
def test_a_token_in_quotation_marks_is_recognised(pick, marks):
    message = not_chosen(pick, {"RECONCILER_ACCESS_TOKEN": f"{marks[0]}Canary{marks[1]}"})

    assert "holds quotation marks around the token" in message
    assert "Canary" not in message


def test_an_expired_ready_token_is_refused_before_any_request(pick, authority):
    source = pick({"RECONCILER_ACCESS_TOKEN": authority.token(lasts=-60)})

    assert "RECONCILER_ACCESS_TOKEN expired at 20" in refused(source)


def test_a_rejected_ready_token_cannot_be_renewed(pick, authority, person):
    source = pick({"RECONCILER_ACCESS_TOKEN": authority.token()})

    assert source.token()
    assert "was rejected" in refused(source, fresh=True)
    assert person.heard == []


def test_a_ready_token_for_something_else_is_remarked_on(pick, authority, person):
    pick({"RECONCILER_ACCESS_TOKEN": authority.token(aud="https://management.azure.com/")})

    (said,) = person.heard
    assert "made out to https://management.azure.com/, not to https://graph.microsoft.com" in said
