"""Maps by the array axis that they are normal to, several for one axis: the one place where lists of maps are walked.

``{0: (a, b), 2: (d,)}`` are two maps normal to z and one normal to x. One map may stand for several normals; it is then
the same object under each. What belongs to a map, such as its grains, is formed for each map once (:func:`once`,
:func:`distinct`). Statistics of the maps of a normal are pooled where a list becomes one object:
:func:`polyrve.microstructure.montage.montage` for pairs of points, and
:meth:`polyrve.microstructure.section_measures.SectionMeasures.together` for grains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

_Map = TypeVar("_Map")
_Made = TypeVar("_Made")

Placed = Mapping[int, tuple[_Map, ...]]
"""Maps, or what belongs to them, by the array axis that they are normal to."""

Given = Mapping[int, _Map | Sequence[_Map]]
"""The same where one map may stand without a list around it."""


def placed(maps: Given[Any]) -> dict[int, tuple[Any, ...]]:
    """Return maps by normal with a list for each; one without a list counts as a list of one.

    Parameters
    ----------
    maps : mapping of int to map or sequence of maps

    Returns
    -------
    dict of int to tuple
        One tuple, the same object, for normals that share a list or a map.

    Examples
    --------
    >>> placed({0: "a", 1: ("b", "c")})
    {0: ('a',), 1: ('b', 'c')}
    """
    lists: dict[int, tuple[Any, ...]] = {}
    for value in maps.values():
        if id(value) not in lists:
            lists[id(value)] = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    return {normal: lists[id(value)] for normal, value in maps.items()}


def each(maps: Placed[_Map]) -> Iterator[tuple[int, _Map]]:
    """Walk over each map of each normal.

    Parameters
    ----------
    maps : mapping of int to tuple of maps

    Yields
    ------
    normal : int
    one : map

    Examples
    --------
    >>> list(each({0: ("a", "b"), 2: ("d",)}))
    [(0, 'a'), (0, 'b'), (2, 'd')]
    """
    for normal, some in maps.items():
        for one in some:
            yield normal, one


def distinct(maps: Placed[_Map]) -> list[_Map]:
    """Return each map once, in the order of the first normal that it stands for.

    Parameters
    ----------
    maps : mapping of int to tuple of maps

    Returns
    -------
    list

    Examples
    --------
    >>> one, other = object(), object()
    >>> len(distinct({0: (one, other), 1: (one,)}))
    2
    """
    return list({id(one): one for _, one in each(maps)}.values())


def first_normals(maps: Placed[Any]) -> dict[int, int]:
    """Return the first axis that each map is normal to, by the identity of the map.

    Parameters
    ----------
    maps : mapping of int to tuple of maps

    Returns
    -------
    dict of int to int

    Examples
    --------
    >>> one, other = object(), object()
    >>> found = first_normals({2: (one,), 0: (other, one)})
    >>> found[id(one)], found[id(other)]
    (0, 0)
    """
    return {id(one): normal for normal, one in sorted(each(maps), key=lambda pair: -pair[0])}


def once(make: Callable[[_Map], _Made], maps: Placed[_Map]) -> dict[int, tuple[_Made, ...]]:
    """Return what is made of each map, made once however many normals it stands for.

    Parameters
    ----------
    make : callable
    maps : mapping of int to tuple of maps

    Returns
    -------
    dict of int to tuple
        As the maps; normals that share a list share that of what is made.

    Examples
    --------
    >>> found = once(str.upper, dict.fromkeys(range(2), ("a", "b")))
    >>> found, found[0] is found[1]
    ({0: ('A', 'B'), 1: ('A', 'B')}, True)
    """
    made = {id(one): make(one) for one in distinct(maps)}
    of_list = {id(some): tuple(made[id(one)] for one in some) for some in maps.values()}
    return {normal: of_list[id(some)] for normal, some in maps.items()}


def made_for(make: Callable[[int, _Map], _Made], maps: Placed[_Map]) -> dict[int, tuple[_Made, ...]]:
    """Return what is made of each map for each of its normals.

    Parameters
    ----------
    make : callable
        Of normal and map.
    maps : mapping of int to tuple of maps

    Returns
    -------
    dict of int to tuple
        As the maps; normals for which the same objects are made share a list.

    Examples
    --------
    >>> made_for(lambda normal, one: f"{one}{normal}", {0: ("a", "b"), 2: ("d",)})
    {0: ('a0', 'b0'), 2: ('d2',)}
    """
    lists: dict[tuple[int, ...], tuple[_Made, ...]] = {}
    found = {}
    for normal, some in maps.items():
        made = tuple(make(normal, one) for one in some)
        found[normal] = lists.setdefault(tuple(map(id, made)), made)
    return found
