"""Whether maps are those that a volume was made from, read and placed as they were then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from polyrve.crystallography.reference_frames import PRESETS
from polyrve.microstructure.axes import NORMALS
from polyrve.microstructure.fields import OrientationMap, OrientationVolume

_SYMMETRY_AXES = {frozenset("zy"): "x", frozenset("zx"): "y"}
"""Symmetry axis by the two normals that :func:`polyrve.microstructure.map_placement.axisymmetric` gives one map for."""


def differences(volume: OrientationVolume, maps: Mapping[int, OrientationMap]) -> tuple[str, ...]:
    """Tell what is not as it was when a volume was made: the maps, their frames, their normals.

    Parameters
    ----------
    volume : OrientationVolume
        Of :func:`polyrve.reconstruct`, with its provenance; of another nothing is known.
    maps : mapping of int to OrientationMap
        As :func:`polyrve.microstructure.map_placement.by_normal` gives them.

    Returns
    -------
    tuple of str
        One sentence for each difference; empty where there is none, or where maps and volume do not say their files.
    """
    planar = [name for name, axis in NORMALS.items() if min(np.delete(volume.shape, axis)) > 1]
    made = _by_normal(volume.provenance.get("maps"), planar)
    given = {name: maps[NORMALS[name]] for name in planar if NORMALS[name] in maps}
    hashes = {name: field.provenance.get("sha256") for name, field in given.items()}
    if not made or not given or not all([*hashes.values(), *(record.get("sha256") for record in made.values())]):
        return ()
    records = {record["sha256"]: record for record in made.values()}
    found = []
    for name, field in given.items():
        record = records.get(hashes[name])
        if record is None:
            others = ", ".join(dict.fromkeys(_name(other) for other in made.values()))
            found.append(f"the volume was made from another map, {others}; {_name(field.provenance)} is compared with")
        elif not field.frame.turns_as((frame := record.get("frame", volume.frame.record()))["map_to_euler"]):
            remedy = f": --frame {frame['name']} (frame=) reads it as then" if frame["name"] in PRESETS else ""
            found.append(
                f"the volume was made from {_name(record)} in frame {frame['name']!r}, "
                f"which is read in {field.frame.name!r} now{remedy}"
            )
    if set(hashes.values()) <= set(records):
        found.append(_of_normals(made, {name: records[value] for name, value in hashes.items()}, len(planar)))
    return tuple(dict.fromkeys(sentence for sentence in found if sentence))


def _by_normal(sources: Any, planar: list[str]) -> dict[str, Mapping[str, Any]]:
    """Return the provenance of a volume's maps by normal, those of sections that it has."""
    if not isinstance(sources, Mapping):
        return {}
    named = dict.fromkeys(planar, sources["all"]) if "all" in sources else dict(sources)
    return {name: record for name in planar if isinstance(record := named.get(name), Mapping)}


def _of_normals(made: Mapping[str, Mapping[str, Any]], given: Mapping[str, Mapping[str, Any]], sections: int) -> str:
    before, after = ({name: record["sha256"] for name, record in maps.items()} for maps in (made, given))
    several = len(set(before.values())) > 1
    axis = None if several else _SYMMETRY_AXES.get(frozenset(made))
    one = len(set(after.values())) == 1 and len(given) == sections
    if before == after or (len(given) == 1 and not several):
        return ""
    if axis is not None and one:
        return (
            f"the volume was made from {_name(made['z'])} for the normals {' and '.join(made)}; it stands for all "
            f"here: --axis {axis} (polyrve.axisymmetric) compares as it was made"
        )
    then = ", ".join(f"{_name(record)} normal to {name}" for name, record in made.items())
    if one and several:
        return (
            f"the volume was made from {then}; one map stands for all here: --against for each compares as it was made"
        )
    now = ", ".join(f"{_name(record)} normal to {name}" for name, record in given.items())
    return f"the volume was made from {then}; it is compared with {now}: --normals or --axis places maps"


def _name(record: Mapping[str, Any]) -> str:
    return str(record.get("source", "a map without a name"))
