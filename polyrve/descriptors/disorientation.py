"""The disorientation spectrum: the distribution of the disorientation between voxels at short lags.

By the addition theorem the norm D of the increment of all harmonics depends on the misorientation of two voxels
alone, so the shares of D above some thresholds are the disorientation distribution at that lag. It separates
in-grain scatter from boundaries, which means of powers cannot.

Departs from the paper: not part of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from polyrve.backend.tensorflow import tf
from polyrve.descriptors._kernels.pair_means import section_pair_means
from polyrve.descriptors._kernels.transforms import Exceedance
from polyrve.descriptors.channels import Channels
from polyrve.descriptors.protocol import Context, squared_residual
from polyrve.microstructure.lags import Lag

SHORT_LAGS: tuple[Lag, ...] = ((0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0), (0, 4), (4, 0))
"""Default lags: neighbours in four directions, where boundaries are counted, and steps of 2 and 4 within grains."""

LOWEST, RANGE, STEPS = 0.0167, 0.7333, 21
"""Default thresholds as shares of the largest norm. The lowest is 0.7 degrees in cubic crystals, about the measuring
noise of a map; the highest lies just above the root mean square of random misorientations, which is 0.71. Their number
sets the cost, and their spacing is about the width that softens them."""

WIDTH = 0.02
"""Default smallest width as a share of the largest norm: 0.9 degrees in cubic crystals. Narrower steps leave most pairs
without a slope, wider ones do not tell in-grain scatter from boundaries."""


@dataclass(frozen=True)
class DisorientationSpectrum:
    """The shares of the increment norm above thresholds, at short lags.

    Attributes
    ----------
    lags : tuple of (int, int)
        Rows and columns, in voxels.
    thresholds : tuple of float
        In units of the harmonics; the largest possible norm is twice the square root of their number.
    smallest_width, relative_width : float
        Width of the step that softens a threshold t: max(smallest, relative * t).

    See Also
    --------
    polyrve.descriptors.variogram.Variogram : Means of powers of the increment, channel by channel.

    Examples
    --------
    >>> import numpy as np
    >>> values = np.random.default_rng(0).standard_normal((9, 8, 10, 12))
    >>> channels = Channels(tf.constant(values), None, None, None, periodic=True)
    >>> spectrum = DisorientationSpectrum(lags=((0, 1), (2, 0)), thresholds=(0.5, 4.0, 9.0))
    >>> (estimate,) = spectrum.estimate(channels, axes=(0,), group=None)
    >>> estimate.shape.as_list()
    [1, 2, 3]
    >>> bool(tf.reduce_all(estimate[..., :-1] >= estimate[..., 1:]))
    True
    """

    lags: tuple[Lag, ...] = SHORT_LAGS
    thresholds: tuple[float, ...] = tuple(float(t) for t in np.linspace(0.1, 4.5, 21))
    smallest_width: float = 0.12
    relative_width: float = 0.08
    name: str = field(default="disorientation")
    misfit = staticmethod(squared_residual)

    def estimate(self, channels: Channels, axes: tuple[int, ...], group: int | None) -> tuple[tf.Tensor, ...]:
        """Return the shares in the sections normal to each axis.

        Parameters
        ----------
        channels : Channels
        axes : tuple of int
            Array axes that the sections are normal to.
        group : int, optional
            Number of neighbouring sections that one estimate is averaged over; default all.

        Returns
        -------
        tuple of tf.Tensor, shape (groups, L, T)
            One per axis, over lags and thresholds.
        """
        widths = tuple(max(self.smallest_width, self.relative_width * t) for t in self.thresholds)
        return section_pair_means(channels, self.lags, Exceedance(self.thresholds, widths), axes, group)


def make(context: Context) -> DisorientationSpectrum:
    """Return the descriptor with its default arguments.

    Parameters
    ----------
    context : Context
        See :data:`polyrve.descriptors.protocol.Maker`.

    Returns
    -------
    DisorientationSpectrum
    """
    largest = 2.0 * math.sqrt(context.state.count)
    thresholds = tuple(largest * (LOWEST + RANGE * i / (STEPS - 1)) for i in range(STEPS))
    return DisorientationSpectrum(context.inside(SHORT_LAGS), thresholds, smallest_width=WIDTH * largest)
