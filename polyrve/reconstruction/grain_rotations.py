"""Grains as unknowns: each grain of an initial field is turned as a whole until the field has the descriptors.

The field is ``q(x) = q_0(x) r(grain of x)`` with a unit quaternion ``r`` for each grain, a rotation of the sample frame
(:mod:`polyrve.crystallography.rotation`). Boundaries, phases and the scatter within grains stay those of the initial
field, and what is minimised is the loss of the volume that is written. The slope with respect to a rotation is the sum
of the slopes of the grain's voxels, each turned back by its initial orientation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from polyrve.backend.tensorflow import tf
from polyrve.reconstruction.face_disorientations import FaceDisorientations, product

BOUNDARIES = "boundaries"
"""Name of the term that faces add to those of the descriptors."""

_FACE_WEIGHT = 0.3
"""Weight of the disorientations across faces beside the descriptors'.

On the demo's section, with 30 iterations, the boundaries' disorientations come out 0.041, 0.042, 0.025 and 0.030 off
those of the map with weights of 0, 0.1, 0.3 and 1, and the other terms add up to 0.9, 1.0, 1.1 and 1.4 thousandths.
"""


class VoxelObjective(Protocol):
    """The loss of a field, such as :class:`polyrve.reconstruction.objective.SectionObjective`."""

    def value_and_gradient(self, position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return the loss, its gradient with the position's shape, and the terms."""


@dataclass(frozen=True, eq=False)
class GrainField:
    """An initial field whose grains can be turned.

    Attributes
    ----------
    initial : ndarray, shape (nz, ny, nx, k), float32
        Unknowns of the field, quaternions first.
    labels : ndarray, shape (nz, ny, nx), int32
        Grain of each voxel, 0 ... N - 1.
    """

    initial: np.ndarray
    labels: np.ndarray

    @cached_property
    def number(self) -> int:
        """Number of grains N."""
        return int(self.labels.max()) + 1

    def start(self) -> np.ndarray:
        """Return the rotations at which the field is the initial one, shape (N, 4)."""
        return np.tile(np.array([1.0, 0.0, 0.0, 0.0], dtype=self.initial.dtype), (self.number, 1))

    def turned(self, rotations: Any) -> tf.Tensor:
        """Return the unknowns of the field with its grains turned.

        Parameters
        ----------
        rotations : tf.Tensor or ndarray, shape (N, 4)
            Quaternions of any length above 0.

        Returns
        -------
        tf.Tensor, shape (nz, ny, nx, k)
        """
        unit = tf.math.l2_normalize(tf.convert_to_tensor(rotations), axis=-1)
        initial, labels = self._constants
        return tf.concat([product(initial[..., :4], tf.gather(unit, labels)), initial[..., 4:]], -1)

    def pulled_back(self, rotations: tf.Tensor, slope: tf.Tensor) -> tf.Tensor:
        """Return the slope with respect to the rotations, shape (N, 4), of one with respect to the turned field."""
        initial, labels = self._constants
        turned_back = product(initial[..., :4] * tf.constant([1.0, -1.0, -1.0, -1.0], initial.dtype), slope[..., :4])
        summed = tf.math.unsorted_segment_sum(tf.reshape(turned_back, (-1, 4)), tf.reshape(labels, (-1,)), self.number)
        return of_any_length(rotations, summed)

    @cached_property
    def _constants(self) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.init_scope():  # Kept for all graphs, whichever is traced first.
            return tf.constant(self.initial), tf.constant(self.labels)


def of_any_length(quaternions: tf.Tensor, slope: tf.Tensor) -> tf.Tensor:
    """Return the slope with respect to quaternions of any length of one with respect to the unit ones, shape (N, 4)."""
    length = tf.norm(quaternions, axis=-1, keepdims=True)
    unit = quaternions / length
    return (slope - unit * tf.reduce_sum(unit * slope, -1, keepdims=True)) / length


@dataclass(frozen=True, eq=False)
class GrainObjective:
    """The loss of a field as a function of the rotations of its grains.

    Attributes
    ----------
    voxels : VoxelObjective
        Loss and slope of a field of unknowns.
    field : GrainField
    faces : tuple of FaceDisorientations
        What is wanted across the faces of grains, for each phase.
    """

    voxels: VoxelObjective
    field: GrainField
    faces: tuple[FaceDisorientations, ...] = ()

    @tf.autograph.experimental.do_not_convert
    def value_and_gradient(self, rotations: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return the loss, its gradient with respect to the rotations, shape (N, 4), and the terms."""
        value, slope, terms = self.voxels.value_and_gradient(self.field.turned(rotations))
        slope = self.field.pulled_back(rotations, slope)
        if not self.faces:
            return value, slope, terms
        mismatch, by_faces = self._across_faces(rotations)
        mismatch = tf.cast(mismatch, value.dtype)
        terms = tf.concat([terms, tf.cast(mismatch, terms.dtype)[None]], 0)
        return value + mismatch, slope + by_faces, terms

    @tf.function(autograph=False)
    def _across_faces(self, rotations: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return across_faces(self.faces, rotations)


def across_faces(faces: Sequence[FaceDisorientations], rotations: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the weighted mismatch across faces of grains that are turned, and its slope, shape (N, 4)."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(rotations)
        unit = tf.math.l2_normalize(rotations, axis=-1)
        mismatch = _FACE_WEIGHT * tf.add_n([face.mismatch(unit) for face in faces])
    return mismatch, tape.gradient(mismatch, rotations)
