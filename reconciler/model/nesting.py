"""How deep a JSON value is nested. Pure.

The parser of Python 3.11 reads about 1,000 levels, that of Python 3.14 about 65,000. Other code, such
as `copy.deepcopy`, fails at a few hundred. So foreign JSON has a limit of our own.
"""

from __future__ import annotations

from typing import Any


def is_nested_deeper(value: object, levels: int) -> bool:
    """Whether the parser gave more than ``levels`` lists or objects inside one another.

    A number has no level, an empty list one. Every page of Graph comes through here.
    """
    containers: list[Any] = [value] if type(value) is dict or type(value) is list else []
    for _ in range(levels):
        if not containers:
            return False
        containers = [
            inner
            for each in containers
            for inner in (each.values() if type(each) is dict else each)
            if type(inner) is dict or type(inner) is list
        ]
    return bool(containers)
