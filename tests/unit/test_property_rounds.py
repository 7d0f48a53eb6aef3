"""The ordinary run is the same every time, everywhere."""

import pytest
from hypothesis import settings

from tests.support.property_rounds import IS_SEARCH, examples


@pytest.mark.skipif(IS_SEARCH, reason="a random search is asked for")
def test_the_ordinary_run_draws_the_same_examples_every_time():
    assert settings().derandomize
    assert examples(7).derandomize
    assert examples(7).max_examples == 7
    assert settings().database is None
