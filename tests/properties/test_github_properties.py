"""Whatever a tenant's names hold: outputs stay apart, summaries fit, markers are not forged."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reconciler.github.markers import read
from reconciler.github.outputs import output_text, summary_text

PREFIX = "<!-- reconciler:plan tenant=prod "
names = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)
hostile = st.text(st.sampled_from("<>\n\r=:end_ a%"), max_size=40) | st.text(max_size=40)


@given(st.dictionaries(names, hostile, max_size=4))
def test_outputs_are_read_back_as_they_were(outputs):
    found, rest = {}, output_text(outputs)
    while rest:
        name, _, rest = rest.partition("<<")
        delimiter, _, rest = rest.partition("\n")
        value, _, rest = rest.partition(f"\n{delimiter}\n")
        found[name] = value
    assert found == outputs


@given(st.text(max_size=400), st.integers(0, 600))
def test_a_summary_never_goes_over_its_limit(markdown, limit):
    assert len(summary_text(markdown, limit=limit).encode(errors="replace")) <= limit


@given(hostile, hostile)
def test_a_marker_is_found_at_the_very_beginning_only(before, after):
    found = read(f"{before}{PREFIX}{after}", PREFIX)
    assert found is None or (before == "" and "-->" in after.split("\n")[0])
