"""How far what is proposed for a voxel differs from the other proposals; compiled by Numba, which loads slowly."""

from __future__ import annotations

import numpy as np

from polyrve.backend.compilation import compiled


@compiled("void(f4[:, ::1], i8[:, ::1], f4[:, ::1], f4, f4, f4[:, ::1])")
def disagree(channels, candidates, weights, least, most, costs):
    """Write the weighted mean of the squared distances from each candidate to the others, cut off at both ends.

    Parameters
    ----------
    channels : (P, C), of the pixels
    candidates : (B, K), pixels; weights : (B, K), their shares
    least, most : squared distances that smaller and larger ones count as
    costs : (B, K), what is written
    """
    width, number = channels.shape[1], candidates.shape[1]
    values = np.empty((width, number), dtype=np.float32)
    square, total = np.empty(number, dtype=np.float32), np.empty(number, dtype=np.float32)
    for b in range(len(candidates)):
        for k in range(number):
            for c in range(width):
                values[c, k] = channels[candidates[b, k], c]
        total[:] = np.float32(0.0)
        for j in range(number):
            square[:] = np.float32(0.0)
            for c in range(width):
                other, row = values[c, j], values[c]
                for k in range(number):
                    square[k] += (row[k] - other) * (row[k] - other)
            weight = weights[b, j]
            for k in range(number):
                total[k] += min(max(square[k], least), most) * weight
        costs[b] = total
