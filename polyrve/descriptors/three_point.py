"""The hybrid three-point variogram (arXiv 2605.14898, eq. 21)."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np

from polyrve.backend.tensorflow import tf
from polyrve.descriptors._kernels.increment_products import misfit_kernel, section_products
from polyrve.descriptors._kernels.increments import Increments
from polyrve.descriptors._kernels.section_by_section import Kernel, require_shape
from polyrve.descriptors.body import Body
from polyrve.descriptors.channels import Channels
from polyrve.descriptors.protocol import Context, average_groups, squared_residual
from polyrve.microstructure.lags import Lag

DENSE_LAGS: tuple[Lag, ...] = (
    (0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0), (2, 2), (2, -2), (0, 4), (4, 0), (0, 8), (8, 0),
)  # fmt: skip
"""Default lags, which the paper leaves open: dense near zero, in several directions, and out to 8 voxels, so that
elongated grains are seen (``docs/studies.md``). The cost grows with the square of their number."""


@dataclass(frozen=True)
class ThreePoint:
    """The means G_c(h1, h2) = 1/2 < abs(f_c(x + h1) - f_c(x)) abs(f_c(x + h2) - f_c(x)) > for all pairs of some lags.

    Departs from the paper: the absolute value is Huber's, d^2 / (2 eps) up to eps, so that its slope is continuous.

    Attributes
    ----------
    lags : tuple of (int, int)
        Rows and columns, in voxels: dense near zero, and in several directions, not along the axes alone.
    eps : float
        Rounding of the absolute values, small against the unit variance of the harmonics.

    See Also
    --------
    polyrve.descriptors.variogram.Variogram : Increments at one lag at a time.

    References
    ----------
    arXiv 2605.14898, eq. (21).

    Examples
    --------
    >>> import numpy as np
    >>> values = np.random.default_rng(0).standard_normal((2, 8, 10, 12))
    >>> channels = Channels(tf.constant(values), None, None, None, periodic=True)
    >>> (estimate,) = ThreePoint(lags=((0, 1), (1, 0), (2, 2))).estimate(channels, axes=(0,), group=None)
    >>> estimate.shape.as_list()
    [1, 2, 3, 3]
    """

    lags: tuple[Lag, ...] = DENSE_LAGS
    eps: float = 0.01
    name: str = field(default="three_point")
    misfit = staticmethod(squared_residual)

    def estimate(self, channels: Channels, axes: tuple[int, ...], group: int | None) -> tuple[tf.Tensor, ...]:
        """Return the means in the sections normal to each axis.

        Parameters
        ----------
        channels : Channels
        axes : tuple of int
            Array axes that the sections are normal to.
        group : int, optional
            Number of neighbouring sections that one estimate is averaged over; default all.

        Returns
        -------
        tuple of tf.Tensor, shape (groups, C, K, K)
            One per axis, over channels and pairs of the K lags.
        """
        products = (section_products(channels, self.lags, self.eps, axis) for axis in axes)
        counts = [None if channels.body is None else self._triples(channels.body, axis) for axis in axes]
        return tuple(average_groups(one, group, count) for one, count in zip(products, counts, strict=True))

    def _triples(self, body: Body, axis: int) -> np.ndarray:
        """Number of points for each pair of lags, (K, K, sections)."""
        found = body.points(axis, list(itertools.product(self.lags, repeat=2)))
        return found.reshape(len(self.lags), len(self.lags), -1)

    def section_misfit(self, shape: tuple[int, ...], target: np.ndarray, dtype: tf.DType) -> Kernel:
        """See :class:`polyrve.descriptors._kernels.section_by_section.ComparesSections`."""
        require_shape(self.name, target, (shape[1], len(self.lags), len(self.lags)))
        aim = tf.constant(target, dtype)
        kernel = misfit_kernel(Increments(self.lags, self.eps, (shape[2], shape[3]), periodic=True), shape, dtype)
        return lambda values: kernel(values, aim)


def make(context: Context) -> ThreePoint:
    """Return the descriptor with its default arguments.

    Parameters
    ----------
    context : Context
        See :data:`polyrve.descriptors.protocol.Maker`.

    Returns
    -------
    ThreePoint
    """
    return ThreePoint(context.inside(DENSE_LAGS))
