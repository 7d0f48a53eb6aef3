"""Signing in with a token from elsewhere: a file, or GitHub."""

from __future__ import annotations

import jwt
import pytest

from reconciler.model.state import Cloud
from tests.support.authority import GITHUB_BEARER, KEY, OIDC_AUDIENCE
from tests.support.signin import TOKEN, refused


def assertion(subject="me"):
    return jwt.encode({"iss": "https://issuer.example", "sub": subject, "aud": OIDC_AUDIENCE}, KEY)


def test_a_federated_token_is_read_again_for_each_request(pick, authority, tmp_path):
    authority.federated = {("https://issuer.example", who, OIDC_AUDIENCE) for who in ("me", "you")}
    file = tmp_path / "token"
    file.write_text(assertion() + "\n", "ascii")
    source = pick(authority.environ(AZURE_FEDERATED_TOKEN_FILE=str(file)))

    source.token()
    file.write_text(assertion("you"), "ascii")
    source.token()
    source.token(fresh=True)

    sent = [seen.form["client_assertion"] for seen in authority.seen if seen.path.endswith(TOKEN)]
    assert sent == [assertion(), assertion("you")]


def test_a_subject_that_does_not_match_is_shown(pick, authority, tmp_path):
    file = tmp_path / "token"
    file.write_text(assertion(), "ascii")

    message = refused(pick(authority.environ(AZURE_FEDERATED_TOKEN_FILE=str(file))))

    assert "AADSTS700213" in message
    assert (
        'The token presented has issuer "https://issuer.example", subject "me", '
        f'audience "{OIDC_AUDIENCE}".'
    ) in message
    assert assertion() not in message


@pytest.mark.parametrize("content", ["", "  \n", "Canary two", "Canary" * 20_000, "Canary\x00"])
def test_a_file_without_one_token_is_refused(pick, authority, tmp_path, content):
    file = tmp_path / "token"
    file.write_text(content, "ascii")

    message = refused(pick(authority.environ(AZURE_FEDERATED_TOKEN_FILE=str(file))))

    assert "does not hold one token" in message
    assert "Canary" not in message


def test_a_missing_token_file_is_named(pick, authority):
    message = refused(pick(authority.environ(AZURE_FEDERATED_TOKEN_FILE="missing")))

    assert "AZURE_FEDERATED_TOKEN_FILE names a file that cannot be read: No such file" in message
    assert "missing" not in message


# GitHub.


def github(authority, **more):
    return authority.environ(
        ACTIONS_ID_TOKEN_REQUEST_URL=authority.github_url,
        ACTIONS_ID_TOKEN_REQUEST_TOKEN=GITHUB_BEARER,
        GITHUB_ACTIONS="true",
        **more,
    )


def test_a_github_job_signs_in_with_a_fresh_token_each_time(pick, authority):
    source = pick(github(authority))

    source.token()
    source.token()
    source.token(fresh=True)

    asked = [seen for seen in authority.seen if seen.path == "/github/oidc"]
    assert [seen.query for seen in asked] == [
        {"api-version": "2.0", "audience": OIDC_AUDIENCE},
        {"api-version": "2.0", "audience": OIDC_AUDIENCE},
    ]
    sent = [seen.form["client_assertion"] for seen in authority.seen if seen.path.endswith(TOKEN)]
    assert len(set(sent)) == 2


@pytest.mark.parametrize(
    ("cloud", "audience"),
    [
        (Cloud.CHINA, "api://AzureADTokenExchangeChina"),
        (Cloud.US_GOV_L4, "api://AzureADTokenExchangeUSGov"),
    ],
)
def test_each_cloud_has_its_audience(pick, authority, cloud, audience):
    refused(pick(github(authority), cloud=cloud))

    assert next(seen for seen in authority.seen if seen.path == "/github/oidc").query[
        "audience"
    ] == (audience)


def test_a_subject_that_github_signs_and_microsoft_does_not_know_is_shown(pick, authority):
    authority.github_subject = "repo:contoso/intune:pull_request"

    message = refused(pick(github(authority)))

    assert 'subject "repo:contoso/intune:pull_request"' in message
    assert 'issuer "https://token.actions.githubusercontent.com"' in message


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "Canary"}, "HTTP 401; give the job the permission"),
        (
            {"ACTIONS_ID_TOKEN_REQUEST_URL": "http://github.example/Canary"},
            "is not an https address",
        ),
        ({"ACTIONS_ID_TOKEN_REQUEST_URL": "https://a:Canary@b/"}, "is not an https address"),
        ({"ACTIONS_ID_TOKEN_REQUEST_URL": "https://127.0.0.1:9/"}, "cannot reach 127.0.0.1:9"),
    ],
)
def test_no_token_from_github_is_explained(pick, authority, more, said):
    message = refused(pick(github(authority) | more))

    assert said in message
    assert "Canary" not in message


@pytest.mark.parametrize("body", ["<html>", "{}", '{"value": 7}', '{"value": "two words"}'])
def test_an_answer_of_github_without_a_token_is_refused(pick, authority, body):
    authority.plan("/github/oidc", 200, body)

    assert "its response holds no token" in refused(pick(github(authority)))


def test_githubs_bearer_follows_no_redirect(pick, authority):
    authority.plan("/github/oidc", 302, headers={"Location": f"{authority.url}/elsewhere"})

    assert "answered with a redirect" in refused(pick(github(authority)))
    assert authority.count("/elsewhere") == 0


def test_netrc_does_not_replace_githubs_bearer(pick, authority, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login a password b\n", "ascii")
    monkeypatch.setenv("NETRC", str(netrc))

    assert pick(github(authority)).token()
