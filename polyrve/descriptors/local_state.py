"""The local state of a voxel: phase indicators times symmetrized harmonics, and the unknowns behind it.

With one phase the channels are the phase's harmonics f_c(q). With several, they are the indicator of each phase and
the indicator times that phase's harmonics (arXiv 2605.14898, eq. 1). A phase without orientations (``harmonics``
None) adds its indicator alone.

The unknowns, the *position*, are four quaternion components per voxel, not normalised, and with several phases one
logit per phase behind them; the indicator is their softmax.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np

from polyrve.backend.custom_gradients import with_gradient
from polyrve.backend.device import current
from polyrve.backend.strategy import Strategy
from polyrve.backend.tensorflow import tf
from polyrve.crystallography.harmonics import SymmetrizedHarmonics, symmetrized_harmonics
from polyrve.crystallography.phase import Phase
from polyrve.descriptors.body import Body
from polyrve.descriptors.channels import Channels
from polyrve.microstructure.fields import OrientationField

_LOGIT = 3.0
"""Logit of a voxel's own phase at the start: an indicator of 0.998 among two, with a slope that can still turn it."""


@dataclass(frozen=True, eq=False)
class LocalState:
    """The map from unknowns to channels for a list of phases.

    Attributes
    ----------
    phases : tuple of Phase
    harmonics : tuple of SymmetrizedHarmonics or None
        One per phase.
    strategy : Strategy
        How the device works on the channels; by default that of the device that TensorFlow works on.

    Examples
    --------
    >>> LocalState.of((Phase("Al", "m-3m"), Phase("Mg", "6/mmm"))).count
    29
    """

    phases: tuple[Phase, ...]
    harmonics: tuple[SymmetrizedHarmonics | None, ...]
    strategy: Strategy = field(default_factory=current)

    @classmethod
    def of(cls, phases: tuple[Phase, ...], *, orientations: bool = True) -> LocalState:
        """Return the default local state of some phases.

        Parameters
        ----------
        phases : tuple of Phase
        orientations : bool
            Whether orientations count; without them the channels are the phases' indicators alone.

        Returns
        -------
        LocalState
        """
        return cls(phases, tuple(symmetrized_harmonics(phase.laue) if orientations else None for phase in phases))

    @property
    def count(self) -> int:
        """Number of channels C."""
        indicators = len(self.phases) if len(self.phases) > 1 else 0
        return indicators + sum(h.count for h in self.harmonics if h is not None)

    @property
    def unknowns(self) -> int:
        """Number of unknowns per voxel."""
        return 4 + (len(self.phases) if len(self.phases) > 1 else 0)

    def position(self, field: OrientationField) -> np.ndarray:
        """Return the unknowns of a field.

        Parameters
        ----------
        field : OrientationField
            A map gets nz = 1.

        Returns
        -------
        ndarray, shape (nz, ny, nx, unknowns), float32
        """
        quaternions = _as_volume(field.quaternions, field.phase_ids.ndim)
        if len(self.phases) == 1:
            return quaternions.astype(np.float32)
        phase_ids = _as_volume(field.phase_ids, field.phase_ids.ndim)
        logits = np.where(phase_ids[..., None] == np.arange(1, len(self.phases) + 1), _LOGIT, -_LOGIT)
        return np.concatenate([quaternions, logits], axis=-1).astype(np.float32)

    def quaternions(self, position: np.ndarray) -> np.ndarray:
        """Return the unit quaternions behind a position.

        Parameters
        ----------
        position : ndarray, shape (nz, ny, nx, unknowns)

        Returns
        -------
        ndarray, shape (nz, ny, nx, 4), float64
            With w >= 0.
        """
        q = np.array(position[..., :4], dtype=np.float64)
        q /= np.sqrt(np.einsum("...i,...i", q, q))[..., None]
        return np.negative(q, out=q, where=q[..., :1] < 0)

    def phase_ids(self, position: np.ndarray) -> np.ndarray:
        """Return the phase of each voxel.

        Parameters
        ----------
        position : ndarray, shape (nz, ny, nx, unknowns)

        Returns
        -------
        ndarray, shape (nz, ny, nx), int32
            From 1.
        """
        if len(self.phases) == 1:
            return np.ones(position.shape[:-1], dtype=np.int32)
        return (np.argmax(position[..., 4:], axis=-1) + 1).astype(np.int32)

    def channels(self, position: tf.Tensor, *, periodic: bool = True, body: Body | None = None) -> Channels:
        """Return the channels of unknowns, differentiable.

        Parameters
        ----------
        position : tf.Tensor, shape (nz, ny, nx, unknowns)
        periodic : bool
            Whether pairs are formed across the faces.
        body : Body, optional
            What alone counts of a field that is not periodic.

        Returns
        -------
        Channels
        """
        channels, orientation, indicators = _kernel(self.harmonics, tuple(position.shape), position.dtype)(position)
        mask = None if periodic else tf.ones(position.shape[:3], position.dtype)
        if body is not None:
            mask = tf.constant(body.inside, position.dtype)
        return replace(self._seen(channels, orientation, indicators, mask, periodic), body=body)

    def reference(self, field: OrientationField, dtype: Any = tf.float32) -> Channels:
        """Return the channels of a measured map: phases as they are, points that are not indexed left out.

        Parameters
        ----------
        field : OrientationField
            Its phases must be those of the local state, in order.
        dtype : tf.DType

        Returns
        -------
        Channels
        """
        ndim = field.phase_ids.ndim
        phase_ids = _as_volume(field.phase_ids, ndim)
        quaternions = tf.constant(_as_volume(field.quaternions, ndim), dtype)
        orientation = tf.transpose(quaternions, (3, 0, 1, 2))
        indicators = tf.constant(
            np.stack([phase_ids == i + 1 for i in range(len(self.phases))]).astype(np.float64), dtype
        )
        channels = _channels(self.harmonics, orientation, indicators)
        mask = None if field.indexed.all() and field.periodic else tf.constant(phase_ids > 0, dtype)
        return self._seen(channels, orientation, indicators, mask, field.periodic)

    def _seen(
        self, channels: tf.Tensor, orientation: tf.Tensor, indicators: tf.Tensor, mask: tf.Tensor | None, periodic: bool
    ) -> Channels:
        indicators = indicators if len(self.phases) > 1 else None
        return Channels(channels, orientation, indicators, mask, periodic, strategy=self.strategy)


@lru_cache(maxsize=16)
def _kernel(
    harmonics: tuple[SymmetrizedHarmonics | None, ...], shape: tuple[int, ...], dtype: tf.DType
) -> Callable[[tf.Tensor], tuple[tf.Tensor, ...]]:
    """Return position to channels, orientation and indicators in one compiled pass; the backward pass recomputes."""

    @tf.function(jit_compile=True, autograph=False)
    def forward(p: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        quaternion = p[..., :4]
        quaternion = quaternion * tf.math.rsqrt(tf.reduce_sum(quaternion * quaternion, -1, keepdims=True))
        orientation = tf.transpose(quaternion, (3, 0, 1, 2))
        if len(harmonics) > 1:
            indicators = tf.transpose(tf.nn.softmax(p[..., 4:]), (3, 0, 1, 2))
        else:
            indicators = tf.ones((1, 1, 1, 1), p.dtype)
        return _channels(harmonics, orientation, indicators), orientation, indicators

    @tf.function(jit_compile=True, autograph=False)
    def backward(p: tf.Tensor, *upstream: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(p)
            outputs = forward.python_function(p)
        return tape.gradient(outputs, p, list(upstream))

    return with_gradient(lambda p: (forward(p), lambda *upstream: backward(p, *upstream)), tf.TensorSpec(shape, dtype))


def _channels(
    harmonics: tuple[SymmetrizedHarmonics | None, ...], orientation: tf.Tensor, indicators: tf.Tensor
) -> tf.Tensor:
    components = tf.unstack(orientation)
    if len(harmonics) == 1:
        if harmonics[0] is None:
            raise ValueError("local state: expected orientations or at least two phases; got neither")
        return tf.stack(harmonics[0].channels(*components))
    channels = list(tf.unstack(indicators))
    for indicator, functions in zip(tf.unstack(indicators), harmonics, strict=True):
        if functions is not None:
            channels.extend(indicator * value for value in functions.channels(*components))
    return tf.stack(channels)


def _as_volume(values: np.ndarray, ndim: int) -> np.ndarray:
    return values[None] if ndim == 2 else values
