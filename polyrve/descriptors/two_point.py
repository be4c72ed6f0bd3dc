"""Two-point correlations of all pairs of channels (arXiv 2605.14898, eq. 19)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from polyrve.backend.tensorflow import tf
from polyrve.descriptors._kernels.lag_means import lag_means
from polyrve.descriptors._kernels.section_by_section import Kernel, require_shape
from polyrve.descriptors._kernels.section_correlations import SectionCorrelations, misfit_kernel
from polyrve.descriptors.channels import Channels, sections_first
from polyrve.descriptors.protocol import Context, squared_residual
from polyrve.microstructure.axes import in_plane


@dataclass(frozen=True)
class TwoPoint:
    """The correlations S_cd(r) = < f_c(x) f_d(x + r) > for all c and d, at all lags r up to a largest one.

    Since S_cd(r) = S_dc(-r), all ordered pairs (c, d) with rows >= 0 hold every correlation.

    Attributes
    ----------
    largest_lag : int
        Largest lag along rows and columns, in voxels.
    cross : bool
        Whether pairs of different channels count.

    See Also
    --------
    polyrve.descriptors.variogram.Variogram : Increments instead of products.

    References
    ----------
    arXiv 2605.14898, eq. (19).

    Examples
    --------
    >>> import numpy as np
    >>> values = np.random.default_rng(0).standard_normal((2, 8, 10, 12))
    >>> channels = Channels(tf.constant(values), None, None, None, periodic=True)
    >>> (estimate,) = TwoPoint(largest_lag=3).estimate(channels, axes=(0,), group=None)
    >>> estimate.shape.as_list()
    [1, 2, 2, 4, 7]
    >>> bool(np.isclose(estimate[0, 0, 1, 0, 3], np.mean(values[0] * values[1])))
    True
    """

    largest_lag: int
    cross: bool = True
    name: str = field(default="two_point")
    misfit = staticmethod(squared_residual)

    def estimate(self, channels: Channels, axes: tuple[int, ...], group: int | None) -> tuple[tf.Tensor, ...]:
        """Return the correlations in the sections normal to each axis.

        Parameters
        ----------
        channels : Channels
        axes : tuple of int
            Array axes that the sections are normal to.
        group : int, optional
            Number of neighbouring sections that one estimate is averaged over; default all.

        Returns
        -------
        tuple of tf.Tensor, shape (groups, C, C, largest_lag + 1, 2 * largest_lag + 1)
            One per axis, over rows 0 ... largest_lag and columns -largest_lag ... largest_lag;
            of shape (groups, C, ...) without `cross`.

        Raises
        ------
        ValueError
            If the lags do not fit into the sections.
        """
        return tuple(self._on_sections(channels, axis, group) for axis in axes)

    def section_misfit(self, shape: tuple[int, ...], target: np.ndarray, dtype: tf.DType) -> Kernel:
        """See :class:`polyrve.descriptors._kernels.section_by_section.ComparesSections`."""
        sections, channels, *size = shape
        self._require_room(*size, periodic=True)
        pairs = (channels, channels) if self.cross else (channels,)
        require_shape(self.name, target, (*pairs, self.largest_lag + 1, 2 * self.largest_lag + 1))
        layout = SectionCorrelations(channels, self.largest_lag, self.cross, (size[0], size[1]))
        target = np.asarray(target, dtype=np.float64)
        aims, beyond = [tf.constant(part, dtype) for part in layout.parts(target)], sections * layout.beyond(target)
        kernel = misfit_kernel(layout, sections, dtype)
        return lambda values: kernel(values, *aims) + tf.constant(beyond, dtype)

    def _on_sections(self, channels: Channels, axis: int, group: int | None) -> tf.Tensor:
        rows, columns = (int(channels.values.shape[1 + i]) for i in in_plane(axis))
        self._require_room(rows, columns, periodic=channels.periodic)
        values, padded, strategy = sections_first(channels.values, axis), not channels.periodic, channels.strategy
        if channels.mask is None:
            return lag_means(values, self.largest_lag, self.cross, group, padded, strategy)
        mask = sections_first(channels.mask[None], axis)
        sums = lag_means(values * mask, self.largest_lag, self.cross, group, padded, strategy)
        counts = lag_means(mask, self.largest_lag, False, group, padded, strategy)
        counts = counts if not self.cross else counts[:, None]
        return sums / tf.maximum(counts, 0.5 / int(mask.shape[1] * rows * columns))

    def _require_room(self, rows: int, columns: int, *, periodic: bool) -> None:
        for n in (rows, columns):
            if self.largest_lag >= n or (periodic and 2 * self.largest_lag > n):
                raise ValueError(
                    f"largest_lag: expected lags that fit into {rows} x {columns} sections; got {self.largest_lag}"
                )


def make(context: Context) -> TwoPoint:
    """Return the descriptor with its default arguments.

    Parameters
    ----------
    context : Context
        See :data:`polyrve.descriptors.protocol.Maker`.

    Returns
    -------
    TwoPoint
    """
    return TwoPoint(context.largest_lag)
