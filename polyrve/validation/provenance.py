"""Whether maps are those that a volume was made from, read and placed as they were then."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from polyrve.crystallography.reference_frames import PRESETS
from polyrve.microstructure.axes import NORMALS
from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.microstructure.placed import Given, placed
from polyrve.microstructure.sampled_volume import SampledVolume

_SYMMETRY_AXES = {frozenset("zy"): "x", frozenset("zx"): "y"}
"""Symmetry axis by the two normals that :func:`polyrve.microstructure.map_placement.axisymmetric` gives one map for."""


def differences(volume: OrientationVolume | SampledVolume, maps: Given[OrientationMap]) -> tuple[str, ...]:
    """Tell what is not as it was when a volume was made: the maps, their frames, their normals.

    Parameters
    ----------
    volume : OrientationVolume or SampledVolume
        Of :func:`polyrve.reconstruct`, with its provenance; of another nothing is known.
    maps : mapping of int to OrientationMap or sequence of OrientationMap
        As :func:`polyrve.microstructure.map_placement.by_normal` gives them.

    Returns
    -------
    tuple of str
        One sentence for each difference; empty where there is none, or where maps and volume do not say their files.
    """
    planar = [name for name, axis in NORMALS.items() if min(np.delete(volume.shape, axis)) > 1]
    made = _by_normal(volume.provenance.get("maps"), planar)
    lists: dict[int, tuple[OrientationMap, ...]] = placed(maps)
    given = {name: lists[NORMALS[name]] for name in planar if NORMALS[name] in lists}
    hashes = {name: [field.provenance.get("sha256") for field in fields] for name, fields in given.items()}
    of_all = [record for some in made.values() for record in some]
    known = [*itertools.chain(*hashes.values()), *(record.get("sha256") for record in of_all)]
    if not made or not given or not all(known):
        return ()
    records = {record["sha256"]: record for record in of_all}
    found = []
    for field in (field for fields in given.values() for field in fields):
        record = records.get(field.provenance["sha256"])
        if record is None:
            others = ", ".join(dict.fromkeys(map(_name, of_all)))
            found.append(f"the volume was made from another map, {others}; {_name(field.provenance)} is compared with")
        elif not field.frame.turns_as((frame := record.get("frame", volume.frame.record()))["map_to_euler"]):
            remedy = f": --frame {frame['name']} (frame=) reads it as then" if frame["name"] in PRESETS else ""
            found.append(
                f"the volume was made from {_name(record)} in frame {frame['name']!r}, "
                f"which is read in {field.frame.name!r} now{remedy}"
            )
    if set(itertools.chain(*hashes.values())) <= set(records):
        now = {name: tuple(records[value] for value in values) for name, values in hashes.items()}
        found.append(_of_normals(made, now, len(planar)))
    return tuple(dict.fromkeys(sentence for sentence in found if sentence))


Records = tuple[Mapping[str, Any], ...]
"""What is recorded of the maps of one normal."""


def _by_normal(sources: Any, planar: list[str]) -> dict[str, Records]:
    """Return the provenance of a volume's maps by normal, those of sections that it has."""
    if not isinstance(sources, Mapping):
        return {}
    named = dict.fromkeys(planar, sources["all"]) if "all" in sources else dict(sources)
    found = {}
    for name in planar:
        some = named.get(name)
        records = [some] if isinstance(some, Mapping) else some if isinstance(some, (list, tuple)) else []
        if kept := tuple(record for record in records if isinstance(record, Mapping)):
            found[name] = kept
    return found


def _of_normals(made: Mapping[str, Records], given: Mapping[str, Records], sections: int) -> str:
    before, after = (
        {name: tuple(sorted({record["sha256"] for record in some})) for name, some in maps.items()}
        for maps in (made, given)
    )
    several = len(set(before.values())) > 1
    axis = None if several else _SYMMETRY_AXES.get(frozenset(made))
    one = len(set(after.values())) == 1 and len(given) == sections
    if before == after or (len(given) == 1 and not several):
        return ""
    if axis is not None and one:
        return (
            f"the volume was made from {_names(made['z'])} for the normals {' and '.join(made)}; it stands for all "
            f"here: --axisymmetric {axis} (polyrve.axisymmetric) compares as it was made"
        )
    then = ", ".join(f"{_names(some)} normal to {name}" for name, some in made.items())
    if one and several:
        return (
            f"the volume was made from {then}; one map stands for all here: --against for each compares as it was made"
        )
    now = ", ".join(f"{_names(some)} normal to {name}" for name, some in given.items())
    return f"the volume was made from {then}; it is compared with {now}: --normals or --axisymmetric places maps"


def _names(records: Records) -> str:
    return " and ".join(dict.fromkeys(map(_name, records)))


def _name(record: Mapping[str, Any]) -> str:
    return str(record.get("source", "a map without a name"))
