"""The slice viewer of a volume: its data, its pictures and its place on the page; viewer.js moves it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from polyrve.crystallography.rotation import to_euler
from polyrve.microstructure.axes import in_plane
from polyrve.microstructure.fields import OrientationVolume
from polyrve.microstructure.grain_properties import measure_grains
from polyrve.microstructure.grains import GrainVolume
from polyrve.report.markup import address, explain

_MOST_SHOWN = 160


def contents(volume: OrientationVolume, grains: GrainVolume) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Data of the slice viewer and its pictures; every second, third … voxel of large volumes."""
    from polyrve.report import plots

    step = [-(-n // _MOST_SHOWN) for n in volume.shape]
    cut = tuple(slice(None, None, s) for s in step)
    ids = grains.grain_ids[cut].astype(np.int64)
    coded = np.stack([ids & 255, (ids >> 8) & 255, (ids >> 16) & 255], axis=-1).astype(np.uint8)
    colors = plots.volume_colors(volume.quaternions[cut], volume.phase_ids[cut], volume.phases)
    pictures = {}
    columns = 1
    for name, values in {**{f"ipf-{k}": v for k, v in colors.items()}, "grains": coded}.items():
        pictures[name], columns = plots.atlas(values)
    euler = np.rad2deg(to_euler(grains.quaternions)) if grains.number_of_grains else np.zeros((0, 3))
    diameter = measure_grains(grains).equivalent_diameter
    data = {
        "shape": list(ids.shape),
        "spacing": [s * length for s, length in zip(step, volume.spacing, strict=True)],
        "step": step,
        "columns": columns,
        "periodic": volume.periodic,
        "phases": [phase.name for phase in volume.phases],
        "grains": [
            [int(phase), *(round(float(a), 2) for a in angles), round(float(size), 3)]
            for phase, angles, size in zip(grains.phase_ids, euler, diameter, strict=True)
        ],
    }
    return data, pictures


def markup(volume: OrientationVolume, pictures: Mapping[str, bytes]) -> str:
    """The three sections, their controls and the pictures that they are cut from."""
    hidden = "".join(
        f'<img hidden alt="" data-volume="{name}" src="{address(content)}">' for name, content in pictures.items()
    )
    panes = ""
    for axis, name in enumerate("zyx"):
        shown = -(-volume.shape[axis] // -(-volume.shape[axis] // _MOST_SHOWN))
        down, along = ("zyx"[i] for i in in_plane(axis))
        panes += (
            f'<div class="pane" data-axis="{name}"><label>normal to {name}: <span class="index"></span>'
            f" · {along} across, {down} down</label>"
            f'<canvas tabindex="0" aria-label="section normal to {name}; arrow keys move it"></canvas>'
            f'<input type="range" min="0" max="{shown - 1}" step="1" aria-label="position along {name}"></div>'
        )
    return (
        explain(
            "Wheel or arrow keys move a section along its normal, <kbd>Page Up</kbd> and <kbd>Page Down</kbd> by "
            "eight, <kbd>Home</kbd> and <kbd>End</kbd> to its ends; a click or drag moves the other two sections "
            "there. <kbd>b</kbd> shows boundaries, <kbd>c</kbd> the cross."
        )
        + '<div id="viewer"><div class="controls"><label>colour <select name="colour">'
        '<option value="ipf-z">IPF-Z</option><option value="ipf-y">IPF-Y</option><option value="ipf-x">IPF-X</option>'
        '<option value="grains">grains</option></select></label>'
        '<label><input type="checkbox" name="boundaries" checked> boundaries</label>'
        '<label><input type="checkbox" name="cross" checked> cross</label></div>'
        f'<div class="panes">{panes}</div><div class="readout" aria-live="polite"></div>{hidden}</div>'
    )
