"""The slice viewer of a volume: its data and its pictures; viewer.js moves it."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np

from polyrve.crystallography.rotation import to_euler
from polyrve.microstructure.axes import in_plane
from polyrve.microstructure.fields import OrientationVolume
from polyrve.microstructure.grain_properties import measure_grains
from polyrve.microstructure.grains import GrainVolume
from polyrve.report import plots
from polyrve.report.templates import address

_MOST_SHOWN = 160
_COLOURS = (("ipf-z", "IPF-Z"), ("ipf-y", "IPF-Y"), ("ipf-x", "IPF-X"), ("grains", "grains"))


def contents(volume: OrientationVolume, grains: GrainVolume) -> tuple[dict[str, Any], dict[str, Any]]:
    """Make what the viewer shows, of large volumes every second, third ... voxel.

    Parameters
    ----------
    volume : OrientationVolume
    grains : GrainVolume

    Returns
    -------
    data : dict
        For the script, JSON types: shape, spacing, grains, and the grain id of every voxel (:func:`packed`).
    block : dict
        For the template: panes, colours and the pictures that IPF colours are drawn from.
    """
    step = [-(-n // _MOST_SHOWN) for n in volume.shape]
    cut = tuple(slice(None, None, s) for s in step)
    ids = grains.grain_ids[cut]
    colors = plots.volume_colors(volume.quaternions[cut], volume.phase_ids[cut], volume.phases)
    pictures, columns = {}, 1
    for name, values in colors.items():
        picture, columns = plots.atlas(values)
        pictures[f"ipf-{name}"] = address(picture)
    euler = np.rad2deg(to_euler(grains.quaternions)) if grains.number_of_grains else np.zeros((0, 3))
    diameter = measure_grains(grains).equivalent_diameter
    data = {
        "shape": list(ids.shape),
        "spacing": [s * length for s, length in zip(step, volume.spacing, strict=True)],
        "step": step,
        "columns": columns,
        "periodic": volume.periodic,
        "phases": [phase.name for phase in volume.phases],
        "ids": packed(ids),
        "grains": [
            [int(phase), *(round(float(a), 2) for a in angles), round(float(size), 3)]
            for phase, angles, size in zip(grains.phase_ids, euler, diameter, strict=True)
        ],
    }
    panes = [
        {
            "normal": name,
            "last": ids.shape[axis] - 1,
            "down": "zyx"[in_plane(axis)[0]],
            "across": "zyx"[in_plane(axis)[1]],
        }
        for axis, name in enumerate("zyx")
    ]
    return data, {"kind": "viewer", "panes": panes, "colours": _COLOURS, "pictures": pictures}


def packed(ids: np.ndarray) -> dict[str, str]:
    """Pack grain ids for a browser: little-endian unsigned integers, deflated (zlib), in base64.

    Parameters
    ----------
    ids : ndarray, shape (nz, ny, nx), int

    Returns
    -------
    dict of str to str
        ``type``, ``"uint16"`` or ``"uint32"``, and ``deflate``, the text.
    """
    kind = "uint16" if int(ids.max(initial=0)) < 1 << 16 else "uint32"
    content = zlib.compress(ids.astype(np.dtype(kind).newbyteorder("<")).tobytes(), 9)
    return {"type": kind, "deflate": base64.b64encode(content).decode("ascii")}
