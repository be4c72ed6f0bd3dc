"""Texture: the means of the symmetrized harmonics up to a high degree, the coefficients of the ODF.

Departs from the paper: there the ODF is left to the degree of the spatial descriptors, which is 8 for cubic crystals.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from polyrve.backend.tensorflow import tf
from polyrve.crystallography.harmonics import (
    SymmetrizedHarmonics,
    degrees_up_to,
    number_of_invariants,
    symmetrized_harmonics,
)
from polyrve.descriptors._kernels.moments import weighted_sums
from polyrve.descriptors.channels import Channels
from polyrve.descriptors.protocol import Context, squared_residual

_LARGE = 48
"""Voxels along each axis from which on every other one is taken: an eighth of the time, and grains are larger there."""


@dataclass(frozen=True, eq=False)
class Texture:
    """The means of the harmonics, each times its phase's indicator, so that a rare phase counts little.

    Attributes
    ----------
    harmonics : tuple of SymmetrizedHarmonics or None
        One per phase.
    stride : int
        Take every so-manieth voxel along each axis of a periodic volume; grains are larger than a few voxels.

    See Also
    --------
    polyrve.crystallography.odf.odf_bins : The distribution itself, for comparisons.

    Examples
    --------
    A single crystal has the harmonics of its orientation as its texture:

    >>> import numpy as np
    >>> orientation = np.tile([1.0, 0.0, 0.0, 0.0], (4, 6, 8, 1))
    >>> channels = Channels(None, tf.constant(np.moveaxis(orientation, -1, 0)), None, None, periodic=True)
    >>> texture = Texture.up_to(("m-3m",), degree=8)
    >>> (estimate,) = texture.estimate(channels, axes=(0,), group=None)
    >>> bool(np.allclose(estimate[0], texture.harmonics[0].evaluate(orientation[0, 0, 0])))
    True
    """

    harmonics: tuple[SymmetrizedHarmonics | None, ...]
    stride: int = field(default=1, repr=False)
    name: str = field(default="texture")
    one_point: ClassVar[bool] = True
    misfit = staticmethod(squared_residual)

    @classmethod
    def up_to(cls, laue_groups: tuple[str, ...], degree: int, stride: int = 1) -> Texture:
        """Return the texture by harmonics of even order l up to a degree n = 2 l, and those of the default set.

        Parameters
        ----------
        laue_groups : tuple of str
            One per phase.
        degree : int
            Highest degree n.
        stride : int
            See :class:`Texture`.

        Returns
        -------
        Texture

        Examples
        --------
        >>> Texture.up_to(("m-3m",), degree=8).harmonics[0].terms
        ((8, 0),)
        """
        harmonics = []
        for laue in laue_groups:
            terms = [(n, k) for n in degrees_up_to(laue, degree) if n % 4 == 0
                     for k in range(number_of_invariants(laue, n))]  # fmt: skip
            terms += [term for term in symmetrized_harmonics(laue).terms if term not in terms]
            harmonics.append(symmetrized_harmonics(laue, tuple(terms)))
        return cls(tuple(harmonics), stride)

    def estimate(self, channels: Channels, axes: tuple[int, ...], group: int | None) -> tuple[tf.Tensor, ...]:
        """Return the means of the harmonics, the same for all axes: they are one-point, sections do not enter.

        Parameters
        ----------
        channels : Channels
        axes : tuple of int
            Array axes that the sections are normal to.
        group : int, optional
            Number of neighbouring sections that one estimate is averaged over; default all.

        Returns
        -------
        tuple of tf.Tensor, shape (1, K)
            One per axis, over the harmonics of all phases.
        """
        means = []
        step = self.stride if channels.periodic else 1
        orientation = channels.orientation[:, ::step, ::step, ::step]
        ones = tf.ones(orientation.shape[1:], orientation.dtype)
        mask = ones if channels.mask is None else channels.mask[::step, ::step, ::step]
        indicators = [ones]
        if channels.indicators is not None:
            indicators = tf.unstack(channels.indicators[:, ::step, ::step, ::step])
        for indicator, harmonics in zip(indicators, self.harmonics, strict=True):
            if harmonics is not None:
                means.append(weighted_sums(harmonics, orientation, indicator * mask, channels.strategy))
        return (tf.concat(means, 0)[None] / tf.reduce_sum(mask),) * len(axes)


def make(context: Context) -> Texture | None:
    """Return the descriptor with its default arguments.

    Parameters
    ----------
    context : Context
        See :data:`polyrve.descriptors.protocol.Maker`.

    Returns
    -------
    Texture or None
        None where orientations do not count.
    """
    if not any(context.state.harmonics):
        return None
    laue_groups = tuple(phase.laue for phase in context.state.phases)
    return Texture.up_to(laue_groups, context.texture_degree, stride=2 if min(context.shape) >= _LARGE else 1)
