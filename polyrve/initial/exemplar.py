"""The pixels of maps on one grid, as material to build a volume from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import distance_transform_edt

from polyrve.crystallography.harmonics import (
    SymmetrizedHarmonics,
    degrees_up_to,
    number_of_invariants,
    symmetrized_harmonics,
)
from polyrve.crystallography.phase import Phase
from polyrve.microstructure.fields import OrientationMap

NEIGHBOURHOOD = 5
"""Neighbourhoods are NEIGHBOURHOOD x NEIGHBOURHOOD pixels; what is larger is told on coarser grids.

With 3 a neighbourhood hardly tells the direction of a boundary; with 7 time doubles.
"""

FEWEST = 50
"""A map with fewer usable neighbourhoods is no exemplar: it could only be repeated."""

_MEASURED = 0.5
"""Share of a neighbourhood that must be indexed; its other points are those nearest to them.

With 1 phases that are hard to index have no neighbourhoods in a map full of holes, however much of it they fill; with
less a neighbourhood shows more of what fills holes than of what was measured.
"""

_RAREST = 1e-6
"""Stands for a share of 0, so that ratios of shares stay finite."""

_REDUCED = 24
"""Principal components of the neighbourhoods that are compared; time grows with them."""

_SAMPLED = 4000
"""Neighbourhoods that the principal components are found from."""

_EVALUATED_AT_ONCE = 4096
"""Pixels whose harmonics are formed at once, which takes much memory."""

_PHASE_CONTRAST = 0.4
"""Indicator of a phase beside the channels: two phases are at least sqrt(2) x 0.4 rad = 32 degrees apart.

Random orientations of a cubic phase are 31 apart on average; with less, pixels of another phase pass for those of a
grain not far off.
"""

_MOST_TEXTURE = 200
"""Functions of the texture at most, for which low symmetries end at a lower degree; memory grows with them."""

_TEXTURE_DEGREE = 32
"""Highest degree of the texture where symmetry leaves few functions: order 16, which the kernel damps to 0.66."""

_TEXTURE_KERNEL = np.deg2rad(7.5) / 2.355
"""Standard deviation of the Gaussian that damps the texture: a width at half height of 7.5 degrees, as of the ODF that
volumes are validated by.
"""

_Evaluation = tuple[int, Callable[[np.ndarray], np.ndarray]]


@dataclass(frozen=True, eq=False)
class Plane:
    """The map normal to one axis.

    Attributes
    ----------
    first : int
        Its first pixel in the exemplar.
    shape : tuple of int
        Rows and columns.
    offsets : ndarray, shape (K, 2), int
        Rows and columns from the centre of a neighbourhood.
    steps : ndarray, shape (K,), int
        The same as differences of pixels.
    weights : ndarray, shape (K,)
        Of the offsets, a Gaussian.
    centres : ndarray, shape (M,), int
        Pixels whose neighbourhood is whole, at least half of it indexed, the rest filled.
    due : ndarray, shape (M,)
        How often each is to be used over the mean, so that phases have the shares of the indexed points.
    row_of : ndarray, shape (P,), int
        Row of a pixel among the centres, or -1.
    basis : ndarray, shape (K * C, R), float32
        Principal components of the neighbourhoods.
    reduced : ndarray, shape (M, R), float32
        Neighbourhoods in that basis.
    """

    first: int
    shape: tuple[int, int]
    offsets: np.ndarray
    steps: np.ndarray
    weights: np.ndarray
    centres: np.ndarray
    due: np.ndarray
    row_of: np.ndarray
    basis: np.ndarray
    reduced: np.ndarray


@dataclass(frozen=True, eq=False)
class Exemplar:
    """All pixels, one after the other, and the planes that they form.

    Pixels in small holes hold what the nearest indexed pixel does.

    Attributes
    ----------
    quaternions : ndarray, shape (P, 4)
    phase_ids : ndarray, shape (P,)
    phases : tuple of Phase
    channels : ndarray, shape (P, C), float32
        See :func:`scaled_channels`.
    texture : ndarray, shape (P, T), float32
        Phase indicators and harmonics up to a high degree, damped by a Gaussian kernel of 7.5 degrees.
    measured : ndarray, shape (P,), bool
        Pixels that are indexed in the maps.
    planes : mapping of int to Plane
        By the array axis that they are normal to.
    """

    quaternions: np.ndarray
    phase_ids: np.ndarray
    phases: tuple[Phase, ...]
    channels: np.ndarray
    texture: np.ndarray
    measured: np.ndarray
    planes: Mapping[int, Plane]

    @property
    def indexed(self) -> np.ndarray:
        """Pixels that a voxel can hold, shape (P,), bool."""
        return self.phase_ids > 0

    def excess(self, mean: np.ndarray) -> np.ndarray:
        """Return the relative excess, from -1 to 2, of a volume in orientations like those of each pixel.

        Parameters
        ----------
        mean : ndarray, shape (T,)
            Mean of ``texture`` over the volume.
        """
        return np.clip(self.texture @ (mean - self.texture_target) / self._density, -1.0, 2.0)

    @cached_property
    def texture_target(self) -> np.ndarray:
        """Mean of ``texture`` over the measured pixels, shape (T,)."""
        return self.texture.mean(axis=0, dtype=np.float64, where=self.measured[:, None]).astype(np.float32)

    @cached_property
    def _density(self) -> np.ndarray:
        """Density of the maps at the orientation of each pixel, shape (P,)."""
        return np.maximum(self.texture @ self.texture_target, 1e-3)


def exemplar(maps: Mapping[int, OrientationMap], rng: np.random.Generator) -> Exemplar:
    """Make an exemplar of maps.

    Parameters
    ----------
    maps : mapping of int to OrientationMap
        By the array axis that they are normal to, in one sample frame.
    rng : numpy.random.Generator

    Returns
    -------
    Exemplar

    Raises
    ------
    ValueError
        If a map has hardly a usable neighbourhood.
    """
    measured = {id(field): field.indexed for field in maps.values()}
    filled = {id(field): _filled(field) for field in maps.values()}
    maps = {axis: filled[id(field)] for axis, field in maps.items()}
    fields = list(filled.values())
    known = np.concatenate([one.ravel() for one in measured.values()])
    quaternions = np.concatenate([field.quaternions.reshape(-1, 4) for field in fields])
    phase_ids = np.concatenate([field.phase_ids.ravel() for field in fields])
    phases = fields[0].phases
    values = scaled_channels(quaternions, phase_ids, phases)
    planes, first = {}, 0
    for field in fields:
        planes[id(field)] = _plane(field, first, values, known, rng)
        first += field.phase_ids.size
    texture = _texture(quaternions, phase_ids, phases)
    by_axis = {axis: planes[id(field)] for axis, field in maps.items()}
    return Exemplar(quaternions, phase_ids, phases, values, texture, known, by_axis)


def usable_neighbourhoods(field: OrientationMap) -> int:
    """Count the neighbourhoods of a map that are whole, at least half of their points indexed, the rest near these."""
    return int(_usable(_filled(field).indexed, field.indexed).sum())


def _filled(field: OrientationMap) -> OrientationMap:
    """Give unindexed points what the nearest indexed point holds, as far as a neighbourhood reaches from its centre."""
    if field.indexed.all() or not field.indexed.any():
        return field
    distance, nearest = distance_transform_edt(~field.indexed, return_indices=True)
    near = distance <= NEIGHBOURHOOD // 2
    rows, columns = (np.where(near, index, own) for index, own in zip(nearest, np.indices(field.shape), strict=True))
    return field.evolve(quaternions=field.quaternions[rows, columns], phase_ids=field.phase_ids[rows, columns])


def scaled_channels(quaternions: np.ndarray, phase_ids: np.ndarray, phases: tuple[Phase, ...]) -> np.ndarray:
    """Evaluate the symmetrized harmonics of each phase, scaled so that small distances are disorientations in rad.

    Parameters
    ----------
    quaternions : ndarray, shape (P, 4)
    phase_ids : ndarray, shape (P,)
    phases : tuple of Phase

    Returns
    -------
    ndarray, shape (P, C), float32
        With several phases also their indicators, so that phases differ as large disorientations do.
    """

    def scaled(of_phase: SymmetrizedHarmonics) -> _Evaluation:
        rate = sum((degree + 1) * (degree / 2) * (degree / 2 + 1) / 3 for degree, _ in of_phase.terms)
        return of_phase.count, lambda q: of_phase.evaluate(q) / np.sqrt(rate)

    evaluations = [scaled(symmetrized_harmonics(phase.laue)) for phase in phases]
    return _by_phase(quaternions, phase_ids, evaluations, _PHASE_CONTRAST if len(phases) > 1 else None)


def _texture(quaternions: np.ndarray, phase_ids: np.ndarray, phases: tuple[Phase, ...]) -> np.ndarray:
    def damped(of_phase: SymmetrizedHarmonics) -> _Evaluation:
        order = np.concatenate([np.full(degree + 1, degree / 2) for degree, _ in of_phase.terms])
        damping = np.exp(-order * (order + 1) * _TEXTURE_KERNEL**2 / 2)
        return of_phase.count, lambda q: of_phase.evaluate(q) * damping[:, None]

    return _by_phase(quaternions, phase_ids, [damped(_of_texture(phase)) for phase in phases], 1.0)


def _by_phase(
    quaternions: np.ndarray, phase_ids: np.ndarray, evaluations: Sequence[_Evaluation], indicator: float | None
) -> np.ndarray:
    """Evaluate an indicator, if there is one, and the functions of each phase side by side, (P, columns), float32.

    Few pixels are evaluated at a time: harmonics take much memory while they are formed.
    """
    lead = int(indicator is not None)
    values = np.zeros((len(phase_ids), sum(lead + count for count, _ in evaluations)), dtype=np.float32)
    first = 0
    for i, (count, evaluate) in enumerate(evaluations, start=1):
        pixels = np.flatnonzero(phase_ids == i)
        if indicator is not None:
            values[pixels, first] = indicator
        end = first + lead + count
        for begin in range(0, len(pixels), _EVALUATED_AT_ONCE):
            block = pixels[begin : begin + _EVALUATED_AT_ONCE]
            values[block, first + lead : end] = evaluate(quaternions[block]).T
        first = end
    return values


def _of_texture(phase: Phase) -> SymmetrizedHarmonics:
    terms: list[tuple[int, int]] = []
    for degree in degrees_up_to(phase.laue, _TEXTURE_DEGREE):
        added = [(degree, k) for k in range(number_of_invariants(phase.laue, degree))]
        if terms and sum(n + 1 for n, _ in [*terms, *added]) > _MOST_TEXTURE:
            break
        terms += added
    return symmetrized_harmonics(phase.laue, tuple(terms))


def _usable(filled: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Tell which neighbourhoods of a map are whole, and measured for the larger part, (rows - 4, columns - 4)."""
    if min(filled.shape) < NEIGHBOURHOOD:
        return np.zeros((0, 0), dtype=bool)
    whole, share = (
        sliding_window_view(one, (NEIGHBOURHOOD, NEIGHBOURHOOD)).mean(axis=(2, 3)) for one in (filled, measured)
    )
    return np.asarray((whole == 1.0) & (share >= _MEASURED))


def _plane(
    field: OrientationMap, first: int, values: np.ndarray, measured: np.ndarray, rng: np.random.Generator
) -> Plane:
    known = measured[first : first + field.phase_ids.size].reshape(field.shape)
    whole = _usable(field.indexed, known)
    if whole.sum() < FEWEST:
        raise ValueError(
            f"map: expected at least {FEWEST} neighbourhoods of {NEIGHBOURHOOD} x {NEIGHBOURHOOD} pixels, half of them "
            f"indexed, to build a volume from; got {whole.sum()} in a map of {field.shape}: choose initial=polycrystal"
        )
    radius, columns = NEIGHBOURHOOD // 2, field.shape[1]
    row, column = np.nonzero(whole)
    centres = first + (row + radius) * columns + column + radius
    offsets = np.stack(np.meshgrid(*[np.arange(-radius, radius + 1)] * 2, indexing="ij"), axis=-1).reshape(-1, 2)
    steps = offsets @ np.array([columns, 1])
    weights = np.exp(-(offsets**2).sum(axis=1) / (2 * (0.6 * radius + 0.3) ** 2))
    sampled = centres if len(centres) <= _SAMPLED else rng.choice(centres, _SAMPLED, replace=False)
    scale = np.repeat(np.sqrt(weights), values.shape[1]).astype(np.float32)
    around = values[sampled[:, None] + steps].reshape(len(sampled), -1) * scale
    around -= around.mean(axis=0)
    basis = np.linalg.eigh(around.T @ around)[1][:, ::-1][:, :_REDUCED]
    basis = np.ascontiguousarray((scale[:, None] * basis).astype(np.float32))
    blocks = np.array_split(centres, -(-len(centres) // 8192))
    reduced = np.concatenate([values[b[:, None] + steps].reshape(len(b), -1) @ basis for b in blocks])
    row_of = np.full(len(values), -1)
    row_of[centres] = np.arange(len(centres))
    shape = (field.shape[0], columns)
    of_centres = field.phase_ids[row + radius, column + radius]
    wanted, found = (np.bincount(ids, minlength=len(field.phases) + 1) for ids in (field.phase_ids[known], of_centres))
    due = wanted / known.sum() / np.maximum(found / len(centres), _RAREST)
    return Plane(first, shape, offsets, steps, weights, centres, due[of_centres], row_of, basis, reduced)
