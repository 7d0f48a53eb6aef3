"""What people type leads to what they meant, and never to more."""

import pytest

from reconciler.loader.suggestions import broad_word, nearest, similar_values


@pytest.mark.parametrize(
    ("typed", "clouds"),
    [
        ("us-gov", "us-gov-l4 us-gov-l5"),
        ("usgov", "us-gov-l4 us-gov-l5"),
        ("US Government", "us-gov-l4 us-gov-l5"),
        ("AzureUSGovernment", "us-gov-l4 us-gov-l5"),
        ("us", "us-gov-l4 us-gov-l5"),
        ("gcc high", "us-gov-l4"),
        ("GCC-High", "us-gov-l4"),
        ("gcch", "us-gov-l4"),
        ("l4", "us-gov-l4"),
        ("DoD", "us-gov-l5"),
        ("US Gov DoD", "us-gov-l5"),
        ("IL5", "us-gov-l5"),
        ("gcc", "global"),
        ("AzureCloud", "global"),
        ("commercial", "global"),
        ("GLOBAL", "global"),
        ("china21vianet", "china"),
        ("AzureChinaCloud", "china"),
        ("mooncake", "china"),
        ("germany", ""),
        ("", ""),
    ],
)
def test_every_cloud_that_fits_is_named(typed, clouds):
    assert similar_values("cloud", typed) == tuple(clouds.split())


@pytest.mark.parametrize(
    ("typed", "word"),
    [
        ("All devices", "all_devices"),
        ("all-users", "all_users"),
        ("AllUsers", "all_users"),
        ("all device", "all_devices"),
        ("All users 1", ""),
        ("VIP users", ""),
        ("all_nurses", ""),
        ("users", ""),
        ("", ""),
    ],
)
def test_a_broad_target_is_suggested_for_its_own_spellings_alone(typed, word):
    assert broad_word(typed) == word


@pytest.mark.parametrize(
    ("typed", "known", "word"),
    [
        ("alow", ["confirm", "allow", "deny"], ""),
        ("Allow", ["confirm", "allow", "deny"], "allow"),
        ("authoritive", ["additive", "authoritative"], ""),
        ("aditive", ["additive", "authoritative"], "additive"),
        ("bord", ["group", "broad"], ""),
        ("all_user", ["group", "all_users"], ""),
        ("gruop", ["group", "all_users"], "group"),
        ("x" * 65, ["x"], ""),
    ],
)
def test_what_allows_or_removes_more_is_no_suggestion(typed, known, word):
    assert nearest(typed, known) == word
