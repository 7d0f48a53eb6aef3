"""One comment per marker: found, edited in place, and the same after any race."""

from __future__ import annotations

import pytest

from reconciler.github.author import Author, identify
from reconciler.github.comments import PostAction, Posted, upsert
from reconciler.github.errors import GitHubError, GitHubOutcomeUnknownError, PermissionDenied
from reconciler.model.errors import ConfigError
from tests.support.github_server import (
    ADELE,
    FORK_TOKEN,
    MALLORY,
    PERSON_TOKEN,
    Fault,
    clock,
    connect,
    github_server,
)

__all__ = ["clock", "connect", "github_server"]

PREFIX = "<!-- reconciler:plan tenant=prod "
BOT = Author("github-actions[bot]", 41898282)
OLD, MIDDLE, HEAD, NEXT = "1" * 40, "2" * 40, "3" * 40, "4" * 40
COMMENT = r"/comments/\d+$"


def text(commit, says="plan", prefix=PREFIX):
    said = f"commit={commit} " if commit else ""
    return f"{prefix}digest=sha256:{'d' * 64} {said}v=1 -->\n# {says}\n"


@pytest.fixture(autouse=True)
def pull(github_server):
    github_server.add_pull(7, [OLD, MIDDLE, HEAD])


@pytest.fixture
def post(connect):
    def post(commit=HEAD, says="plan", *, prefix=PREFIX, token=None, **options):
        api = connect(token) if token else connect()
        return upsert(
            api,
            author=options.pop("author", BOT),
            pull_request=7,
            body=options.pop("body", text(commit, says, prefix)),
            marker_prefix=prefix,
            commit=commit,
            **options,
        )

    return post


def writes(github_server):
    return github_server.sent("POST", "PATCH")


def pointer(github_server, survivor=0):
    id = github_server.comments[survivor]["id"]
    url = github_server.comments[survivor]["html_url"]
    return (
        f"<!-- reconciler:superseded by={id} v=1 -->\n"
        f"Superseded: [another comment]({url}) is kept up to date instead."
    )


def test_the_first_run_creates_it(github_server, post):
    posted = post()
    assert posted == Posted(PostAction.CREATED, github_server.comments[0]["html_url"])
    assert github_server.bodies(7) == [text(HEAD)]


def test_the_next_run_edits_it_in_place(github_server, post):
    github_server.add_comment(7, text(OLD))
    assert post().action is PostAction.UPDATED
    assert github_server.bodies(7) == [text(HEAD)]


def test_the_same_text_again_writes_nothing(github_server, post):
    github_server.add_comment(7, text(HEAD).replace("\n", "\r\n").rstrip())
    assert post().action is PostAction.UNCHANGED
    assert writes(github_server) == []
    assert len(github_server.sent()) == 2


def test_a_run_again_of_the_same_commit_replaces_its_text(github_server, post):
    github_server.add_comment(7, text(HEAD, "first attempt"))
    assert post(says="second attempt").action is PostAction.UPDATED
    assert github_server.bodies(7) == [text(HEAD, "second attempt")]


def test_no_changes_create_nothing_and_update_what_is_there(github_server, post):
    assert post(create=False) == Posted(PostAction.SKIPPED, None)
    assert writes(github_server) == []

    github_server.add_comment(7, text(OLD))
    assert post(says="No changes", create=False).action is PostAction.UPDATED
    assert github_server.bodies(7) == [text(HEAD, "No changes")]


def test_it_is_found_on_the_last_page(github_server, post):
    github_server.page_limit = 3
    for number in range(8):
        github_server.add_comment(7, f"chatter {number}", by=ADELE)
    github_server.add_comment(7, text(OLD))

    post()

    assert github_server.bodies(7)[8:] == [text(HEAD)]
    assert [method for method, _path in writes(github_server)] == ["PATCH"]


def test_each_tenant_and_each_kind_has_its_own(github_server, post):
    prefixes = [
        "<!-- reconciler:plan tenant=prod ",
        "<!-- reconciler:plan tenant=prod-eu ",
        "<!-- reconciler:apply tenant=prod ",
    ]
    for commit in (MIDDLE, HEAD):
        for prefix in prefixes:
            post(commit, prefix=prefix)
    assert github_server.bodies(7) == [text(HEAD, prefix=prefix) for prefix in prefixes]


def test_other_peoples_words_are_never_touched_whatever_they_paste(github_server, post):
    pasted = text(OLD, "mine")
    github_server.add_comment(7, pasted, by=MALLORY)
    github_server.add_comment(7, f"> quoted\n{pasted}")  # our account, not at the beginning

    assert post().action is PostAction.CREATED
    assert post(says="again").action is PostAction.UPDATED

    assert github_server.bodies(7) == [pasted, f"> quoted\n{pasted}", text(HEAD, "again")]
    assert github_server.sent("DELETE") == []


def test_a_person_edits_their_own_only(github_server, post, connect):
    github_server.add_comment(7, text(OLD, "the bot's"))
    author = identify(connect(PERSON_TOKEN))
    post(token=PERSON_TOKEN, author=author)
    post(says="again", token=PERSON_TOKEN, author=author)
    assert github_server.bodies(7) == [text(OLD, "the bot's"), text(HEAD, "again")]


def test_an_outdated_run_leaves_the_newer_text(github_server, post):
    comment = github_server.add_comment(7, text(HEAD))
    assert post(OLD) == Posted(PostAction.OUTDATED, comment["html_url"])
    assert writes(github_server) == []


@pytest.mark.parametrize("there", [OLD, MIDDLE, "9" * 40], ids=["older", "same", "pushed away"])
def test_an_outdated_run_replaces_no_text_at_all(github_server, post, there):
    """The head's own run may be about to write, and nothing tells when."""
    github_server.add_comment(7, text(there, "before"))
    assert post(MIDDLE).action is PostAction.OUTDATED
    assert github_server.bodies(7) == [text(there, "before")]


def test_an_outdated_run_creates_nothing(github_server, post):
    """Its plan is not of what would be merged, and the head's own run is on its way."""
    assert post(MIDDLE) == Posted(PostAction.OUTDATED, None)
    assert github_server.bodies(7) == []


def test_after_the_merge_the_outcome_replaces_the_plan_as_often_as_there_is_one(
    github_server, post
):
    github_server.add_comment(7, text(HEAD))
    github_server.add_pull(7, [OLD, HEAD], merge_commit=NEXT, is_merged=True)
    for says in ("failed", "applied", "applied again"):
        post(HEAD, says)
        assert github_server.bodies(7) == [text(HEAD, says)]


def test_the_words_of_an_edited_comment_are_never_copied(github_server, post):
    """A person edits a comment of the bot into a plan; no run writes these words as the bot."""
    github_server.add_comment(7, text(OLD))
    edited = github_server.add_comment(7, "Welcome to this repository!")
    forged = text(HEAD, "Nothing to see here")
    github_server.edit_comment(edited["id"], forged, by=MALLORY)
    assert post(OLD) == Posted(PostAction.OUTDATED, edited["html_url"])
    assert github_server.bodies(7) == [text(OLD), forged]
    assert post(HEAD).action is PostAction.UPDATED
    assert github_server.bodies(7) == [text(HEAD), pointer(github_server)]
    written = [seen.body["body"] for seen in github_server.seen if seen.method == "PATCH"]
    assert not any("Nothing to see here" in body for body in written)


def test_after_the_merge_a_late_run_leaves_the_plan_that_was_approved(github_server, post):
    github_server.add_pull(7, [OLD, HEAD], merge_commit=NEXT, is_merged=True)
    github_server.add_comment(7, text(HEAD))
    assert post(OLD).action is PostAction.OUTDATED


def test_a_text_of_no_commit_counts_as_current_and_yields_to_the_head(github_server, post):
    github_server.add_comment(7, text(HEAD))
    assert post(None).action is PostAction.UPDATED
    assert post(HEAD).action is PostAction.UPDATED


def test_leftovers_of_a_race_become_pointers(github_server, post):
    github_server.add_comment(7, text(OLD))
    github_server.add_comment(7, text(MIDDLE))
    github_server.add_comment(7, "chatter", by=ADELE)
    github_server.add_comment(7, text(OLD))

    assert post().action is PostAction.UPDATED

    there = [text(HEAD), pointer(github_server), "chatter", pointer(github_server)]
    assert github_server.bodies(7) == there
    assert post().action is PostAction.UNCHANGED
    assert github_server.bodies(7) == there


def test_an_outdated_run_leaves_tidying_up_to_the_head(github_server, post):
    there = [text(MIDDLE), text(HEAD)]
    for body in there:
        github_server.add_comment(7, body)
    assert post(OLD).action is PostAction.OUTDATED
    assert github_server.bodies(7) == there


# Two writers. The second one acts just before a request of the first one is carried out.


def test_both_create_and_the_newer_commit_comes_second(github_server, post):
    github_server.plan("POST", "/comments$", lambda: github_server.add_comment(7, text(MIDDLE)))
    assert post(HEAD).action is PostAction.CREATED
    assert github_server.bodies(7) == [text(HEAD), pointer(github_server)]


def test_a_newer_commit_comes_and_its_run_creates_before_we_do(github_server, post):
    def newer():
        github_server.push(7, NEXT)
        github_server.add_comment(7, text(NEXT))

    github_server.plan("POST", "/comments$", newer)
    assert post(HEAD).action is PostAction.OUTDATED
    assert github_server.bodies(7) == [text(NEXT), pointer(github_server)]


def test_both_create_for_the_same_commit(github_server, post):
    other = text(HEAD, "the other attempt")
    github_server.plan("POST", "/comments$", lambda: github_server.add_comment(7, other))
    assert post(HEAD).action is PostAction.CREATED
    first, second = github_server.bodies(7)
    assert first in (other, text(HEAD))
    assert second == pointer(github_server)


def test_an_older_run_writes_after_us_and_we_notice(github_server, post):
    comment = github_server.add_comment(7, text(OLD))

    def older():
        github_server.edit_comment(comment["id"], text(MIDDLE))

    github_server.plan("GET", "/issues/7/comments$", lambda: None)
    github_server.plan("GET", "/issues/7/comments$", older)
    assert post(HEAD).action is PostAction.UPDATED
    assert github_server.bodies(7) == [text(HEAD)]


@pytest.mark.parametrize("newer_first", [True, False])
@pytest.mark.parametrize("start", [[], [OLD], [OLD, OLD]], ids=len)
def test_whenever_the_other_run_comes_the_newer_commit_stands(
    github_server, post, newer_first, start
):
    """The other run happens as a whole before request number `turn` of ours, for every turn."""
    windows = 0
    ours, theirs = (NEXT, HEAD) if newer_first else (HEAD, NEXT)
    for turn in range(1, 14):
        github_server.comments.clear()
        github_server.add_pull(7, [OLD, HEAD] if ours == HEAD else [OLD, HEAD, NEXT])
        for commit in start:
            github_server.add_comment(7, text(commit))
        github_server._plans.clear()
        began, happened = len(github_server.seen), []

        def other(began=began, turn=turn, happened=happened):
            here = len(github_server.seen) - began == turn and not happened
            if here:
                happened.append(github_server.seen[-1])
                if theirs == NEXT:
                    github_server.push(7, NEXT)
                assert post(theirs).url

        for method in ("GET", "PATCH", "POST"):
            github_server.plan(method, "/", other, times=99)
        post(ours)

        standing = [body for body in github_server.bodies(7) if body.startswith(PREFIX)]
        assert len(standing) == 1, turn
        if standing != [text(NEXT if happened or newer_first else HEAD)]:
            # The one window that is left: a whole newer run within our last round trip.
            assert (newer_first, happened[0].method, turn) == (False, "PATCH", 3)
            windows += 1
    assert windows == (0 if newer_first or not start else 1)


def test_after_a_long_wait_the_head_is_looked_at_again_before_an_edit(github_server, post):
    comment = github_server.add_comment(7, text(OLD))

    def newer():
        github_server.push(7, NEXT)
        github_server.edit_comment(comment["id"], text(NEXT))

    github_server.plan("PATCH", COMMENT, Fault(429, headers={"Retry-After": "120"}))
    github_server.plan("GET", "/pulls/7$", lambda: None)
    github_server.plan("GET", "/pulls/7$", newer)
    assert post(HEAD).action is PostAction.OUTDATED
    assert github_server.bodies(7) == [text(NEXT)]


# Faults


@pytest.mark.parametrize(
    "fault", [Fault(502), Fault(500, acts=True), Fault(drop="before"), Fault(drop="after")], ids=str
)
def test_a_creation_with_an_unclear_outcome_ends_in_one_comment(github_server, post, clock, fault):
    github_server.plan("POST", "/comments$", fault)
    assert post().action in (PostAction.CREATED, PostAction.UNCHANGED)
    assert github_server.bodies(7) == [text(HEAD)]
    assert len(clock.slept) == 1


def test_a_creation_that_never_becomes_clear_is_an_error(github_server, post):
    github_server.plan("POST", "/comments$", Fault(502, "bad gateway"), times=99)
    with pytest.raises(GitHubOutcomeUnknownError, match=r"commenting on pull request #7: .*502"):
        post()
    assert len(writes(github_server)) == 6


def test_a_list_that_lags_behind_makes_no_second_comment(github_server, post):
    github_server.hidden_from_lists.add(5001)
    assert post().action is PostAction.CREATED
    assert github_server.bodies(7) == [text(HEAD)]


def test_a_comment_that_somebody_deletes_meanwhile_is_made_anew(github_server, post):
    github_server.add_comment(7, text(OLD))
    github_server.plan("PATCH", COMMENT, github_server.comments.clear)
    assert post().action is PostAction.CREATED
    assert github_server.bodies(7) == [text(HEAD)]


def test_limits_and_faults_of_an_edit_pass(github_server, post, clock):
    github_server.add_comment(7, text(OLD))
    github_server.plan("PATCH", COMMENT, Fault(403, headers={"Retry-After": "9"}))
    github_server.plan("PATCH", COMMENT, Fault(drop="after"))
    assert post().action is PostAction.UPDATED
    assert github_server.bodies(7) == [text(HEAD)]
    assert clock.slept[0] == 9


def test_a_forks_token_posts_nothing_and_says_why(github_server, post):
    with pytest.raises(PermissionDenied, match="a pull request from a fork"):
        post(token=FORK_TOKEN)
    github_server.add_comment(7, text(OLD))
    with pytest.raises(PermissionDenied, match="a pull request from a fork"):
        post(token=FORK_TOKEN)
    assert github_server.bodies(7) == [text(OLD)]


def test_an_edit_refused_with_404_for_a_comment_that_is_there_is_a_refusal(github_server, post):
    github_server.add_comment(7, text(OLD))
    github_server.plan("PATCH", COMMENT, Fault(404, "Not Found"))
    with pytest.raises(PermissionDenied):
        post()


def test_a_comment_that_never_comes_to_rest_is_an_error(github_server, post):
    comment = github_server.add_comment(7, text(OLD))

    def meddle():
        github_server.edit_comment(comment["id"], text(OLD, "meddled"))

    github_server.plan("GET", "/issues/7/comments$", meddle, times=99)
    with pytest.raises(GitHubError, match="again and again"):
        post()


def test_a_text_over_the_limit_is_refused_before_anything_is_sent(github_server, post):
    with pytest.raises(ConfigError, match=r"has 65,8\d\d characters and GitHub takes 65,536"):
        post(says="x" * 65_700)
    assert github_server.seen == []


def test_a_text_of_just_the_limit_in_emoji_is_taken(github_server, post):
    body = text(HEAD)
    body += "\U0001f600" * (65_536 - len(body))
    assert post(body=body).action is PostAction.CREATED


@pytest.mark.parametrize("body", ["# no marker", text(OLD), text(HEAD, prefix="<!-- other ")])
def test_a_text_that_would_not_be_found_again_is_refused(github_server, post, body):
    with pytest.raises(AssertionError):
        post(body=body)
    assert github_server.seen == []


@pytest.mark.parametrize("user", [None, {}, {"login": "github-actions[bot]", "id": 1}])
def test_comments_of_deleted_and_renamed_accounts_are_not_ours(github_server, post, user):
    github_server.add_comment(7, text(OLD))["user"] = user
    assert post().action is PostAction.CREATED
    assert github_server.bodies(7) == [text(OLD), text(HEAD)]


def test_an_answer_that_names_no_comment_is_an_error(github_server, post):
    github_server.plan("POST", "/comments$", Fault(201, raw="[]"))
    with pytest.raises(GitHubError, match="names no comment"):
        post()
