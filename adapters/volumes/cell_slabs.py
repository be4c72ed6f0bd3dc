"""Arrays of a volume that is kept as cells, slab by slab, for writers of large files.

Of what files of smaller volumes hold, Euler angles, mean orientations of grains at each voxel, KAM and GOS are left
out: they follow from the rest, and would take half of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from polyrve.adapters.ipf_colors import ipf_colors
from polyrve.microstructure.cell_measures import slabs
from polyrve.microstructure.cell_volume import CellVolume
from polyrve.microstructure.fields import OrientationVolume
from polyrve.steps import announced

_VOXELS = 2**21
"""Voxels of a slab; each takes some 300 bytes while it is written."""


@dataclass(frozen=True, eq=False)
class CellSlab:
    """Some planes of a volume normal to z.

    Attributes
    ----------
    volume : CellVolume
    first, last : int
        First plane and one beyond the last.
    direction : sequence of float, length 3
        Sample direction (x, y, z) of the inverse pole figure colours.
    """

    volume: CellVolume
    first: int
    last: int
    direction: Sequence[float] = (0.0, 0.0, 1.0)

    @cached_property
    def field(self) -> OrientationVolume:
        """Orientations and phases."""
        return self.volume.planes(self.first, self.last)

    @cached_property
    def ids(self) -> np.ndarray:
        """Grains, shape (planes, ny, nx), int32."""
        return self.volume.grain_ids(self.first, self.last)

    @property
    def colors(self) -> np.ndarray:
        """Inverse pole figure colours, shape (planes, ny, nx, 3), uint8."""
        return ipf_colors(self.field.quaternions, self.field.phase_ids, self.field.phases, self.direction)

    @property
    def boundary(self) -> np.ndarray:
        """Whether a face neighbour is in another grain, shape (planes, ny, nx), bool."""
        n, periodic = len(self.volume.labels), self.volume.periodic
        before = self.volume.grain_ids((self.first - 1) % n, (self.first - 1) % n + 1)
        behind = self.volume.grain_ids(self.last % n, self.last % n + 1)
        if not periodic:
            before = self.ids[:1] if self.first == 0 else before
            behind = self.ids[-1:] if self.last == n else behind
        around = np.concatenate([before, self.ids, behind])
        found = (around[1:-1] != around[:-2]) | (around[1:-1] != around[2:])
        for axis in (1, 2):
            differ = self.ids != np.roll(self.ids, -1, axis=axis)
            if not periodic:
                differ[(slice(None),) * axis + (-1,)] = False
            found |= differ | np.roll(differ, 1, axis=axis)
        return found


Column = tuple[str, int, Any, Callable[[CellSlab], np.ndarray]]
"""Name, components, type and values of an array."""

COLUMNS: tuple[Column, ...] = (
    ("IPFColors", 3, np.uint8, lambda slab: slab.colors),
    ("Quats", 4, np.float32, lambda slab: slab.field.quaternions),
    ("Phases", 1, np.int32, lambda slab: slab.field.phase_ids),
    ("FeatureIds", 1, np.int32, lambda slab: slab.ids),
    ("Boundary", 1, np.bool_, lambda slab: slab.boundary),
)
"""What viewers have no other way to; quaternions w first."""


def cell_slabs(volume: CellVolume, direction: Sequence[float], text: str = "writing") -> Iterator[CellSlab]:
    """Yield the slabs of a volume, from the first plane to the last, and tell a listener how far it is.

    Parameters
    ----------
    volume : CellVolume
    direction : sequence of float, length 3
        As for :class:`CellSlab`.
    text : str
        What is being done.
    """
    for first, last in announced(list(slabs(volume.shape, _VOXELS)), text):
        yield CellSlab(volume, first, last, direction)
