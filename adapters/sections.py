"""Planar sections of a volume as maps that EBSD software shows rightly."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from polyrve.crystallography import rotation
from polyrve.microstructure.fields import OrientationField, OrientationMap, OrientationVolume

if TYPE_CHECKING:
    from polyrve.microstructure.grains import GrainMap, GrainVolume

_AXES_OF_MAP = {
    "z": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "y": ((1, 0, 0), (0, 0, 1), (0, -1, 0)),
    "x": ((0, 1, 0), (0, 0, 1), (1, 0, 0)),
}


def cut(data: OrientationField | GrainMap | GrainVolume, section: str) -> OrientationMap:
    """A section in its own map frame.

    A map's x axis runs along its rows, its y axis from row to row. The section normal to z has x and y there, that
    normal to y has x and z, that normal to x has y and z; the orientations are turned into that frame, so that
    inverse pole figures and grain traces fit each other in any EBSD program.

    Parameters
    ----------
    data : OrientationVolume or GrainVolume
    section : str
        Normal and index from 0, such as ``"z:12"``; ``"z"`` alone is the middle.

    Returns
    -------
    OrientationMap

    Raises
    ------
    ValueError
        If the data is no volume, or the section is not in it.
    """
    field = getattr(data, "field", data)
    if not isinstance(field, OrientationVolume):
        raise ValueError(f"section: expected a volume to cut; got {type(field).__name__}")
    match = re.fullmatch(r"([xyz])(?::(\d+))?", section)
    axis = "zyx".index(match[1]) if match else 0
    index = int(match[2]) if match and match[2] else field.shape[axis] // 2
    if match is None or index >= field.shape[axis]:
        raise ValueError(f"section: expected a normal and an index in {field.shape} (z, y, x), as z:0; got {section!r}")
    plane = field.section(axis, index)
    turn = rotation.from_matrix(np.array(_AXES_OF_MAP[match[1]], dtype=np.float64).T)
    return plane.evolve(quaternions=rotation.multiply(plane.quaternions, turn))


def planar(data: Any, section: str | None = None) -> OrientationMap:
    """What a two-dimensional format can hold: a map, a volume of one layer, the field of a grain map, or a :func:`cut`.

    Raises
    ------
    ValueError
        If the data has more than one layer and no section is named, or has no such section.
    """
    if section is not None:
        return cut(data, section)
    field = getattr(data, "field", data)
    if isinstance(field, OrientationMap):
        return field
    if isinstance(field, OrientationVolume) and field.shape[0] == 1:
        return field.section(0, 0)
    shape = getattr(field, "shape", type(field).__name__)
    raise ValueError(f"data: expected an orientation map or a volume with nz = 1 (take a section); got {shape}")
