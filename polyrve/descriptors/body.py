"""The body that a volume fills: which voxels lie within its free surface, and how many pairs of them there are.

A section of a body has fewer points the nearer it lies to the surface. Sections are averaged by the pairs that lie
wholly inside, so that each pair counts alike, and none that leaves the body.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from polyrve.microstructure.axes import in_plane
from polyrve.microstructure.lags import Lag


@dataclass(frozen=True, eq=False)
class Body:
    """A body within a free surface.

    Attributes
    ----------
    inside : ndarray, shape (nz, ny, nx), bool
        Voxels of the body.

    Examples
    --------
    >>> body = Body(np.arange(2 * 3 * 4).reshape(2, 3, 4) < 18)
    >>> body.pairs(0, [(0, 1), (2, 0)]).tolist()
    [[9, 4], [4, 0]]
    >>> body.reach
    1
    """

    inside: np.ndarray
    _kept: dict[tuple[int, tuple[tuple[Lag, ...], ...]], np.ndarray] = field(default_factory=dict, repr=False)

    def on_grid(self, shape: Sequence[int]) -> Body:
        """Return the body on a coarser grid, whose voxels are inside where half of theirs are.

        Parameters
        ----------
        shape : sequence of int
            (nz, ny, nx), each a divisor of the body's.

        Returns
        -------
        Body
        """
        if tuple(shape) == self.inside.shape:
            return self
        blocks = [n for new, old in zip(shape, self.inside.shape, strict=True) for n in (new, old // new)]
        return Body(self.inside.reshape(blocks).mean(axis=(1, 3, 5)) >= 0.5)

    @property
    def reach(self) -> int:
        """Largest lag along each axis at which a quarter of the points inside still have a partner inside."""
        axes = [axis for axis, n in enumerate(self.inside.shape) if n > 1]
        fewest = self.inside.sum() / 4

        def partners(lag: int, axis: int) -> int:
            ahead, behind = (
                np.take(self.inside, range(start, start + self.inside.shape[axis] - lag), axis) for start in (lag, 0)
            )
            return int(np.count_nonzero(ahead & behind))

        lag = 0
        while lag + 1 < min(self.inside.shape[axis] for axis in axes) and all(
            partners(lag + 1, axis) >= fewest for axis in axes
        ):
            lag += 1
        return lag

    def pairs(self, axis: int, lags: Sequence[Lag]) -> np.ndarray:
        """Count the points inside whose partners at each lag are inside.

        Parameters
        ----------
        axis : int
            Array axis that the sections are normal to.
        lags : sequence of (int, int)
            L lags, rows and columns.

        Returns
        -------
        ndarray, shape (L, sections), int64
        """
        return self.points(axis, [(lag,) for lag in lags])

    def points(self, axis: int, partners: Sequence[Sequence[Lag]]) -> np.ndarray:
        """Count the points inside all of whose partners are inside.

        Parameters
        ----------
        axis : int
            Array axis that the sections are normal to.
        partners : sequence of sequence of (int, int)
            L sets of lags, rows and columns.

        Returns
        -------
        ndarray, shape (L, sections), int64
        """
        key = axis, tuple(tuple((int(r), int(c)) for r, c in some) for some in partners)
        if key not in self._kept:
            sections = np.transpose(self.inside, (axis, *in_plane(axis)))
            moved = {lag: _moved(sections, lag) for lag in {lag for some in key[1] for lag in some}}
            counts = [
                np.logical_and.reduce([sections, *(moved[lag] for lag in some)]).sum(axis=(1, 2)) for some in key[1]
            ]
            self._kept[key] = np.stack(counts)
        return self._kept[key]


def _moved(sections: np.ndarray, lag: Lag) -> np.ndarray:
    """Whether the partner of each point is inside; False where it lies off the grid."""
    result = np.zeros_like(sections)
    here, there = [slice(None)], [slice(None)]
    for step, n in zip(lag, sections.shape[1:], strict=True):
        here.append(slice(max(0, -step), max(0, n - max(0, step))))
        there.append(slice(max(0, step), max(0, n + min(0, step))))
    result[tuple(here)] = sections[tuple(there)]
    return result
