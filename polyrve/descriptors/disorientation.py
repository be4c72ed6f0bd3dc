"""The disorientation spectrum: the distribution of the disorientation between voxels at short lags.

By the addition theorem the norm D of the increment of all harmonics depends on the misorientation of two voxels
alone, so the shares of D above some thresholds are the disorientation distribution at that lag. It separates
in-grain scatter from boundaries, which means of powers cannot.

Departs from the paper: not part of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from polyrve.descriptors._kernels.pair_means import section_pair_means
from polyrve.descriptors._kernels.transforms import Exceedance
from polyrve.descriptors.channels import Channels
from polyrve.descriptors.protocol import squared_residual
from polyrve.microstructure.lags import Lag

SHORT_LAGS: tuple[Lag, ...] = ((0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0), (0, 4), (4, 0))


@dataclass(frozen=True)
class DisorientationSpectrum:
    """Shares of the increment norm above thresholds, at short lags.

    Attributes
    ----------
    lags : tuple of (int, int)
        Rows and columns, in voxels.
    thresholds : tuple of float
        In units of the harmonics; the largest possible norm is twice the square root of their number.
    smallest_width, relative_width : float
        Width of the sigmoid that softens a threshold t: max(smallest, relative * t).
    """

    lags: tuple[Lag, ...] = SHORT_LAGS
    thresholds: tuple[float, ...] = tuple(float(t) for t in np.linspace(0.1, 4.5, 21))
    smallest_width: float = 0.12
    relative_width: float = 0.08
    name: str = field(default="disorientation")
    misfit = staticmethod(squared_residual)

    def estimate(self, channels: Channels, axes: tuple[int, ...], group: int | None) -> tuple[tf.Tensor, ...]:
        """Shape (groups, L, T) per axis; see :class:`polyrve.descriptors.protocol.Descriptor`."""
        widths = tuple(max(self.smallest_width, self.relative_width * t) for t in self.thresholds)
        return section_pair_means(channels, self.lags, Exceedance(self.thresholds, widths), axes, group)
