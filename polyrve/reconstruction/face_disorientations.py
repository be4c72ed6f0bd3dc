r"""Disorientations across the faces between grains that are turned as wholes.

The descriptors see the disorientation of two voxels through harmonics of a low degree, which hardly tell 50 degrees
from 60. Where a rotation of each grain is the unknown, the distribution of the disorientations between neighbouring
grains is matched itself,

.. math:: \sum_k \frac{(h_k - w_k)^2}{w_k + \rho},

with ``h_k`` the share of the faces, by area, in class ``k`` and ``w_k`` that of the boundaries of the maps, by length.
Classes overlap: a disorientation counts in those around it by a Gaussian.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from polyrve.backend.tensorflow import tf
from polyrve.crystallography import rotation
from polyrve.microstructure.grain_properties import neighbours
from polyrve.microstructure.grains import GrainMap, GrainVolume
from polyrve.microstructure.stereology import SPECK

_CLASS = 2.5
"""Degrees between classes, and the standard deviation of the Gaussian: that of the histogram of neighbours which
:mod:`polyrve.validation.metrics` compares. Wider classes mix twins with what is near them."""

_CENTRES = np.arange(5.0, 182.5, _CLASS)

_ROUNDING = 0.003
"""Shares of boundaries below it weigh as this one; else a class that the maps lack would weigh without bound."""

_FEWEST_PAIRS = 30
"""Pairs of grains of one phase that give a distribution; one of fewer tells of these pairs alone."""


@dataclass(frozen=True, eq=False)
class FaceDisorientations:
    """The faces between grains of one phase, and what is wanted across them.

    Attributes
    ----------
    means : ndarray, shape (N, 4)
        Mean orientations of all grains before they are turned.
    families : ndarray, shape (N,), int
        Rotation, 0 ... M - 1, that turns each grain.
    pairs : ndarray, shape (F, 2), int
        Grains on both sides of each face, 0 ... N - 1.
    area : ndarray, shape (F,)
        Shares of the faces, adding up to 1.
    wanted : ndarray, shape (K,)
        Shares of the classes.
    symmetry : ndarray, shape (n, 4)
        Operations of the phase.
    """

    means: np.ndarray
    families: np.ndarray
    pairs: np.ndarray
    area: np.ndarray
    wanted: np.ndarray
    symmetry: np.ndarray

    def mismatch(self, rotations: tf.Tensor) -> tf.Tensor:
        """Return the sum in the module's text, for unit quaternions that turn the grains, shape (M, 4)."""
        means, symmetry, area, wanted = (tf.cast(constant, rotations.dtype) for constant in self._constants)
        turned = product(means, tf.gather(rotations, self.families))
        first, second = (tf.gather(turned, self.pairs[:, side]) for side in (0, 1))
        between = product(second, first * tf.constant([1.0, -1.0, -1.0, -1.0], first.dtype))
        cosine = tf.reduce_max(tf.abs(tf.matmul(between, symmetry, transpose_b=True)), axis=1)
        angle = 2.0 * tf.acos(tf.minimum(cosine, _LARGEST_COSINE)) * (180.0 / np.pi)
        shares = tf.linalg.matvec(_in_classes(angle), area, transpose_a=True)
        return tf.reduce_sum((shares - wanted) ** 2 / (wanted + _ROUNDING))

    @cached_property
    def _constants(self) -> tuple[tf.Tensor, ...]:
        with tf.init_scope():
            return tuple(map(tf.constant, (self.means, self.symmetry, self.area, self.wanted)))


_LARGEST_COSINE = float(np.cos(np.deg2rad(0.5)))
"""Of half of 1 degree, below which two grains are one: the slope of the angle has no bound at 0."""


def face_disorientations(
    volume: GrainVolume, maps: Sequence[GrainMap], families: np.ndarray | None = None
) -> tuple[FaceDisorientations, ...]:
    """Take the faces of a volume and the boundaries of maps, phase by phase.

    Parameters
    ----------
    volume : GrainVolume
    maps : sequence of GrainMap
    families : ndarray, shape (N,), int, optional
        Rotation, from 0, that turns each grain of the volume, by default its own; faces within a family keep their
        disorientation.

    Returns
    -------
    tuple of FaceDisorientations
        One for each phase of which maps and volume have pairs of grains enough.
    """
    turned_by = np.arange(volume.number_of_grains) if families is None else families
    return faces_of(volume.quaternions, volume.phase_ids, turned_by, *_pairs(volume, 1), maps)


def faces_of(
    means: np.ndarray,
    phase_ids: np.ndarray,
    families: np.ndarray,
    pairs: np.ndarray,
    area: np.ndarray,
    maps: Sequence[GrainMap],
) -> tuple[FaceDisorientations, ...]:
    """Take faces between grains as they are given, and the boundaries of maps; see :func:`face_disorientations`.

    Parameters
    ----------
    means : ndarray, shape (N, 4)
        Mean orientations of the grains before they are turned.
    phase_ids, families : ndarray, shape (N,), int
        Phase of each grain, from 1, and the rotation that turns it, from 0.
    pairs : ndarray, shape (F, 2), int
        Grains on both sides of each face, from 0.
    area : ndarray, shape (F,)
    maps : sequence of GrainMap

    Returns
    -------
    tuple of FaceDisorientations
    """
    boundaries = [_pairs(one, SPECK + 1) for one in maps]
    found = []
    for number, phase in enumerate(maps[0].field.phases, start=1):
        angles, lengths = [], []
        for one, (of_map, length) in zip(maps, boundaries, strict=True):
            both = (one.phase_ids[of_map] == number).all(axis=1)
            q = one.quaternions[of_map[both]]
            angles.append(np.rad2deg(rotation.disorientation_angle(q[:, 0], q[:, 1], phase.symmetry)))
            lengths.append(length[both] / max(length.sum(), 1e-30))
        inside = (phase_ids[pairs] == number).all(axis=1)
        if min(sum(map(len, angles)), int(inside.sum())) < _FEWEST_PAIRS:
            continue
        weight = np.concatenate(lengths)
        wanted = _in_classes(tf.constant(np.concatenate(angles))).numpy().T @ (weight / weight.sum())
        share = area[inside] / area[inside].sum()
        found.append(FaceDisorientations(means, families, pairs[inside], share, wanted, phase.symmetry))
    return tuple(found)


def _pairs(grains: GrainMap | GrainVolume, smallest: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of neighbouring grains from a size on, from 0, and their contact."""
    pairs, contact = neighbours(grains)
    points = np.bincount(grains.grain_ids.ravel(), minlength=grains.number_of_grains + 1)
    kept = (points[pairs] >= smallest).all(axis=1)
    return pairs[kept] - 1, contact[kept]


def _in_classes(angles: tf.Tensor) -> tf.Tensor:
    """Return how much angles in degrees count in each class, shape (F, K), rows adding up to 1."""
    distance = (angles[:, None] - tf.constant(_CENTRES, angles.dtype)) / _CLASS
    return tf.nn.softmax(-(distance**2) / 2.0, axis=1)


def product(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Return Hamilton products of quaternions, shape (..., 4)."""
    aw, ax, ay, az = tf.unstack(a, axis=-1)
    bw, bx, by, bz = tf.unstack(b, axis=-1)
    return tf.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        axis=-1,
    )
