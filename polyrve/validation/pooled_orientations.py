"""Points without regard to where they lie: the statistics of one point, and the ODF bins of points."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from polyrve.crystallography import rotation
from polyrve.crystallography.odf import OdfBins, odf_bins
from polyrve.crystallography.phase import Phase

_MOST_TEXTURE_POINTS = 150_000
"""Points of a texture, evenly chosen from larger fields; the error of a mass of 1 % is then 2.5 % of it.

More points take longer in proportion, and neighbours within a grain add little.
"""

_RANDOM_PAIRS = 20_000
"""Pairs of points drawn at random; the share of a bin of the histogram is then known to 0.35 % at worst."""


@dataclass(frozen=True, eq=False)
class PooledOrientations:
    """Points without regard to where they lie, and what is measured on them: the one-point statistics.

    Attributes
    ----------
    quaternions : ndarray, shape (*points, 4)
    phase_ids : ndarray, shape (*points,), int32
    phases : tuple of Phase
    threshold : float, degrees
        Of grain boundaries.
    bins : tuple of OdfBins
        For each phase.
    bin_ids : ndarray, shape (*points,), int64
        ODF bin of each point among those of its phase; -1 where not indexed or left out to save time.
    """

    quaternions: np.ndarray
    phase_ids: np.ndarray
    phases: tuple[Phase, ...]
    threshold: float
    bins: tuple[OdfBins, ...]
    bin_ids: np.ndarray

    @cached_property
    def random_angles(self) -> np.ndarray:
        """Disorientation of points drawn at random, shape (n,), degrees; infinite between phases."""
        rng = np.random.default_rng(0)
        inside = np.flatnonzero(self.phase_ids.ravel())
        if not len(inside):
            return np.zeros(0)
        first, second = rng.choice(inside, (2, _RANDOM_PAIRS))
        q, ids = self.quaternions.reshape(-1, 4), self.phase_ids.ravel()
        angles = np.full(len(first), np.inf)
        for phase_id, phase in enumerate(self.phases, start=1):
            pairs = (ids[first] == phase_id) & (ids[second] == phase_id)
            angles[pairs] = rotation.disorientation_angle(q[first[pairs]], q[second[pairs]], phase.symmetry)
        return np.rad2deg(angles)

    @cached_property
    def phase_shares(self) -> np.ndarray:
        """Share of each phase of the indexed points, shape (number of phases,)."""
        counts = np.bincount(self.phase_ids.ravel(), minlength=len(self.phases) + 1)[1:]
        return counts / max(counts.sum(), 1)

    def _bin_weights(self) -> Iterator[tuple[OdfBins, np.ndarray]]:
        total = max(int((self.bin_ids >= 0).sum()), 1)
        for phase_id, bins in enumerate(self.bins, start=1):
            of_phase = self.bin_ids[(self.phase_ids == phase_id) & (self.bin_ids >= 0)]
            yield bins, np.bincount(of_phase, minlength=len(bins.centres)) / total

    def odf(self, halfwidth: float = 5.0) -> np.ndarray:
        """Masses of phases and orientations, one after the other, sum 1; see :mod:`polyrve.crystallography.odf`."""
        return np.concatenate([bins.odf(weights, halfwidth) for bins, weights in self._bin_weights()])

    @cached_property
    def odf_5(self) -> np.ndarray:
        """The distribution with a kernel of 5 degrees."""
        return self.odf(5.0)

    @cached_property
    def odf_7(self) -> np.ndarray:
        """The distribution with a kernel of 7.5 degrees."""
        return self.odf(7.5)

    @cached_property
    def texture_index(self) -> float:
        """Mean square of the orientation density with a kernel of 5 degrees, weighted by the phases' shares."""
        index = 0.0
        for bins, weights in self._bin_weights():
            masses = bins.odf(weights, 5.0)
            if masses.sum() > 0:
                index += float((masses**2).sum() * len(masses) / masses.sum())
        return index

    @cached_property
    def pole_figures(self) -> list[dict[str, np.ndarray]]:
        """Masses of the pole figures of each phase; each adds up to the share of the phase."""
        return [bins.poles(weights) for bins, weights in self._bin_weights()]


def sorted_into_bins(
    quaternions: np.ndarray, phase_ids: np.ndarray, phases: tuple[Phase, ...]
) -> tuple[tuple[OdfBins, ...], np.ndarray]:
    """Sort points into the ODF bins of their phases.

    Parameters
    ----------
    quaternions : ndarray, shape (*points, 4)
    phase_ids : ndarray, shape (*points,), int
    phases : tuple of Phase

    Returns
    -------
    tuple of OdfBins
        For each phase.
    ndarray, shape (*points,), int64
        Bin of each point among those of its phase; -1 where not indexed or left out to save time.
    """
    bin_ids = np.full(phase_ids.size, -1, dtype=np.int64)
    step = -(-phase_ids.size // _MOST_TEXTURE_POINTS)
    step += 1 if step > 1 and step % 2 == 0 else 0
    chosen = np.zeros(phase_ids.size, dtype=bool)
    chosen[::step] = True
    flat, ids = quaternions.reshape(-1, 4), phase_ids.ravel()
    bins = []
    for phase_id, phase in enumerate(phases, start=1):
        of_phase = (ids == phase_id) & chosen
        bins.append(odf_bins(flat[of_phase], phase.laue))
        bin_ids[of_phase] = bins[-1].of_point
    return tuple(bins), bin_ids.reshape(phase_ids.shape)
