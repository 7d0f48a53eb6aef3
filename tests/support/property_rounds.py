"""How hard the properties are tried: the same fixed examples in every ordinary run, or a random search.

``PROPERTY_ROUNDS=20`` starts the search: 20 times as many examples of every property, from seeds that
nobody has tried. What it finds becomes an ``@example`` of that property, so that every run repeats it.
"""

import os

from hypothesis import settings

FACTOR = int(os.environ.get("PROPERTY_ROUNDS", "0"))
IS_SEARCH = FACTOR > 0

_TIMELESS = settings(deadline=None, print_blob=True)  # a busy machine is no fault
settings.register_profile("fixed", _TIMELESS, derandomize=True, database=None, max_examples=100)
settings.register_profile("search", _TIMELESS, derandomize=False, max_examples=100 * max(FACTOR, 1))


def load_profile():
    """Choose for the whole run; hypothesis' own choice depends on whether it runs in CI."""
    settings.load_profile("search" if IS_SEARCH else "fixed")


def examples(count):
    """Settings for a property that is tried with so many examples in the ordinary run."""
    return settings(max_examples=count * max(FACTOR, 1))
