r"""Quaternion algebra, Bunge angles and disorientation.

**The convention**, stated here and nowhere else. An orientation is a unit quaternion ``q = (w, x, y, z)``, scalar
first. It is *passive* and maps sample to crystal coordinates (Bunge): with :func:`to_matrix`,
``v_crystal = to_matrix(q) @ v_sample``, and :func:`to_matrix` is the usual matrix of the map ``v -> q v q*``.
For Bunge angles ``(phi1, Phi, phi2)``, with ``s = (phi1 + phi2) / 2`` and ``d = (phi1 - phi2) / 2``,

.. math:: q = (\cos\tfrac{\Phi}{2}\cos s,\ -\sin\tfrac{\Phi}{2}\cos d,\
               -\sin\tfrac{\Phi}{2}\sin d,\ -\cos\tfrac{\Phi}{2}\sin s)

which is orix's and DREAM.3D's quaternion (the latter stores x, y, z, w) and the conjugate of DAMASK's.

* Crystal symmetry ``s`` acts from the left: ``s q`` is the same orientation as ``q``; so is ``-q``.
* A change of the sample frame acts from the right: if ``v_old = to_matrix(r) @ v_new``, then ``q_new = q r``.
* The misorientation from ``q1`` to ``q2`` is ``q2 q1*``; the disorientation angle is its smallest over symmetry.

References
----------
.. [1] D. Rowenhorst et al., Modelling Simul. Mater. Sci. Eng. 23 (2015) 083501, doi:10.1088/0965-0393/23/8/083501.
"""

from __future__ import annotations

import numpy as np


def normalize(q: np.ndarray) -> np.ndarray:
    """Return quaternions scaled to unit norm.

    Parameters
    ----------
    q : ndarray, shape (..., 4)
        Not zero.

    Returns
    -------
    ndarray, shape (..., 4), float64

    Examples
    --------
    >>> normalize([2.0, 0.0, 0.0, 0.0])
    array([1., 0., 0., 0.])
    """
    q = np.asarray(q, dtype=np.float64)
    return q / np.linalg.norm(q, axis=-1, keepdims=True)


def conjugate(q: np.ndarray) -> np.ndarray:
    """Return conjugate quaternions, the inverse rotations of unit quaternions.

    Parameters
    ----------
    q : ndarray, shape (..., 4)

    Returns
    -------
    ndarray, shape (..., 4), float64

    Examples
    --------
    >>> q = from_euler(np.deg2rad([40.0, 35.0, 20.0]))
    >>> multiply(q, conjugate(q)).round(9)
    array([1., 0., 0., 0.])
    """
    return np.asarray(q) * np.array([1.0, -1.0, -1.0, -1.0])


def multiply(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the Hamilton product ``a b``.

    Parameters
    ----------
    a, b : ndarray, shape (..., 4)
        Quaternions, broadcast against each other.

    Returns
    -------
    ndarray, shape (..., 4)

    Examples
    --------
    A turn of the sample frame acts from the right:

    >>> quarter = from_axis_angle([0.0, 0.0, 1.0], np.pi / 2)
    >>> np.rad2deg(to_euler(multiply(from_euler(np.deg2rad([40.0, 35.0, 20.0])), conjugate(quarter)))).round(6)
    array([130.,  35.,  20.])
    """
    aw, ax, ay, az = np.moveaxis(np.asarray(a), -1, 0)
    bw, bx, by, bz = np.moveaxis(np.asarray(b), -1, 0)
    return np.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        axis=-1,
    )


def rotate(q: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return the vectors ``to_matrix(q) @ v``: those of the sample in crystal coordinates.

    Parameters
    ----------
    q : ndarray, shape (..., 4)
        Unit quaternions.
    v : ndarray, shape (..., 3)
        Vectors, broadcast against the quaternions.

    Returns
    -------
    ndarray, shape (..., 3), float64

    Examples
    --------
    >>> rotate(from_euler(np.deg2rad([90.0, 0.0, 0.0])), [1.0, 0.0, 0.0]).round(9)
    array([ 0., -1.,  0.])
    """
    return np.einsum("...ij,...j->...i", to_matrix(q), np.asarray(v, dtype=np.float64))


def to_matrix(q: np.ndarray) -> np.ndarray:
    """Return the rotation matrices of unit quaternions.

    Parameters
    ----------
    q : ndarray, shape (..., 4)

    Returns
    -------
    ndarray, shape (..., 3, 3), float64
        For an orientation: the matrix g with ``v_crystal = g @ v_sample``.

    See Also
    --------
    from_matrix : The inverse.

    Examples
    --------
    >>> to_matrix(from_euler(np.deg2rad([90.0, 0.0, 0.0]))).round(9)
    array([[ 0.,  1.,  0.],
           [-1.,  0.,  0.],
           [ 0.,  0.,  1.]])
    """
    w, x, y, z = np.moveaxis(np.asarray(q, dtype=np.float64), -1, 0)
    return np.stack(
        [
            np.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], axis=-1),
            np.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], axis=-1),
            np.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], axis=-1),
        ],
        axis=-2,
    )


def from_matrix(matrix: np.ndarray) -> np.ndarray:
    """Return the unit quaternions of rotation matrices.

    Parameters
    ----------
    matrix : ndarray, shape (..., 3, 3)

    Returns
    -------
    ndarray, shape (..., 4), float64
        With w >= 0.

    See Also
    --------
    to_matrix : The inverse.

    Examples
    --------
    >>> from_matrix(np.eye(3))
    array([1., 0., 0., 0.])
    """
    m = np.asarray(matrix, dtype=np.float64)
    trace = m[..., 0, 0] + m[..., 1, 1] + m[..., 2, 2]
    squares = np.stack([trace, *(2.0 * m[..., i, i] - trace for i in range(3))], axis=-1)
    rows = np.empty((*m.shape[:-2], 4, 4))
    a, b, c = m[..., 2, 1], m[..., 0, 2], m[..., 1, 0]
    d, e, f = m[..., 1, 2], m[..., 2, 0], m[..., 0, 1]
    for i in range(4):
        rows[..., i, i] = 1.0 + squares[..., i]
    for (i, j), value in {
        (0, 1): a - d, (0, 2): b - e, (0, 3): c - f, (1, 2): c + f, (1, 3): b + e, (2, 3): a + d,
    }.items():  # fmt: skip
        rows[..., i, j] = rows[..., j, i] = value
    largest = np.argmax(squares, axis=-1)
    q = normalize(np.take_along_axis(rows, largest[..., None, None], axis=-2)[..., 0, :])
    return np.where(q[..., :1] < 0, -q, q)


def from_axis_angle(axis: np.ndarray, angle: np.ndarray | float) -> np.ndarray:
    """Return the quaternions ``(cos(angle/2), sin(angle/2) axis)``.

    Parameters
    ----------
    axis : ndarray, shape (..., 3)
        Of any length but zero.
    angle : ndarray, shape (...), rad

    Returns
    -------
    ndarray, shape (..., 4), float64

    See Also
    --------
    from_rotation_vector : Axis and angle as one vector.

    Examples
    --------
    >>> from_axis_angle([0.0, 0.0, 2.0], np.pi).round(9)
    array([0., 0., 0., 1.])
    """
    axis = np.asarray(axis, dtype=np.float64)
    half = np.asarray(angle, dtype=np.float64)[..., None] / 2.0
    vector = np.sin(half) * axis / np.linalg.norm(axis, axis=-1, keepdims=True)
    return np.concatenate([np.broadcast_to(np.cos(half), (*vector.shape[:-1], 1)), vector], axis=-1)


def from_rotation_vector(vectors: np.ndarray) -> np.ndarray:
    """Return the quaternions of rotations given by axis times angle.

    Parameters
    ----------
    vectors : ndarray, shape (..., 3), rad

    Returns
    -------
    ndarray, shape (..., 4), float64

    See Also
    --------
    from_axis_angle : Axis and angle apart.
    polyrve.crystallography.odf.rotation_vectors : The inverse.

    Examples
    --------
    >>> from_rotation_vector([0.0, np.pi / 2, 0.0]).round(6)
    array([0.707107, 0.      , 0.707107, 0.      ])
    """
    angle = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.concatenate([np.cos(angle / 2.0), 0.5 * np.sinc(angle / (2.0 * np.pi)) * vectors], axis=-1)


def from_euler(angles: np.ndarray) -> np.ndarray:
    """Return the orientations of Bunge angles.

    Parameters
    ----------
    angles : ndarray, shape (..., 3), rad
        phi1, Phi, phi2.

    Returns
    -------
    ndarray, shape (..., 4), float64
        Unit quaternions with w >= 0.

    See Also
    --------
    to_euler : The inverse.

    Examples
    --------
    >>> from_euler(np.deg2rad([40.0, 35.0, 20.0])).round(3)
    array([ 0.826, -0.296, -0.052, -0.477])
    """
    phi1, Phi, phi2 = np.moveaxis(np.asarray(angles, dtype=np.float64), -1, 0)
    c, s = _of_half_angle(Phi)
    cos_total, sin_total = _of_half_angle(phi1 + phi2)
    cos_difference, sin_difference = _of_half_angle(phi1 - phi2)
    sign = np.where(c * cos_total < 0, -1.0, 1.0)
    c, s = c * sign, s * sign
    return np.stack([c * cos_total, -s * cos_difference, -s * sin_difference, -c * sin_total], axis=-1)


def _of_half_angle(angle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return cosine and sine of half the angle, from one tangent: a third of the time of a cosine and a sine."""
    t = np.tan(angle / 4.0)
    scale = 1.0 / (1.0 + t * t)
    return (1.0 - t * t) * scale, 2.0 * t * scale


def to_euler(q: np.ndarray) -> np.ndarray:
    """Return the Bunge angles of orientations.

    Parameters
    ----------
    q : ndarray, shape (..., 4)
        Unit quaternions.

    Returns
    -------
    ndarray, shape (..., 3), float64, rad
        phi1 in [0, 2 pi), Phi in [0, pi], phi2 in [0, 2 pi); phi2 = 0 where Phi is 0 or pi.

    See Also
    --------
    from_euler : The inverse.

    Examples
    --------
    >>> np.rad2deg(to_euler(from_euler(np.deg2rad([40.0, 35.0, 20.0])))).round(6)
    array([40., 35., 20.])
    """
    w, x, y, z = np.moveaxis(np.asarray(q, dtype=np.float64), -1, 0)
    c, s = np.hypot(w, z), np.hypot(x, y)
    Phi = 2.0 * np.arctan2(s, c)
    total = np.where(c > 1e-12, np.arctan2(-z, w), 0.0)
    difference = np.where(s > 1e-12, np.arctan2(-y, -x), 0.0)
    difference = np.where(s > 1e-12, difference, total)
    total = np.where(c > 1e-12, total, difference)
    phi1, phi2 = total + difference, total - difference
    angles = np.stack([phi1 % (2 * np.pi), Phi, phi2 % (2 * np.pi)], axis=-1)
    angles[..., ::2][angles[..., ::2] >= 2 * np.pi] = 0.0
    return angles


_AT_ONCE = 2048
"""Pairs whose products stay in cache, and are too few for a matrix product to start threads."""

_EQUIVALENTS_AT_ONCE = 16384
"""Orientations whose products with all operations take 3 MB at most, whatever the number of orientations."""


def disorientation_angle(a: np.ndarray, b: np.ndarray, symmetry: np.ndarray) -> np.ndarray:
    """Return the smallest rotation angle between symmetrically equivalent orientations of one phase.

    Parameters
    ----------
    a, b : ndarray, shape (..., 4)
        Orientations, broadcast against each other.
    symmetry : ndarray, shape (n, 4)
        Crystal symmetry operations, see :func:`polyrve.crystallography.phase.symmetry_operations`.

    Returns
    -------
    ndarray, shape (...), float64, rad

    See Also
    --------
    nearest_equivalent : The equivalent that this angle belongs to.

    Examples
    --------
    >>> from polyrve.crystallography.phase import symmetry_operations
    >>> q = from_euler(np.deg2rad([[0.0, 0.0, 0.0], [80.0, 0.0, 0.0]]))
    >>> np.rad2deg(disorientation_angle(q[:1], q[1:], symmetry_operations("m-3m"))).round(6)
    array([10.])
    """
    a, b = np.broadcast_arrays(np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64))
    shape, a, b, operations = a.shape[:-1], a.reshape(-1, 4), b.reshape(-1, 4), conjugate(symmetry)
    cosine = np.empty(len(a))
    for start in range(0, len(a), _AT_ONCE):
        block = slice(start, start + _AT_ONCE)
        dots = operations @ multiply(b[block], conjugate(a[block])).T
        np.abs(dots, out=dots).max(axis=0, out=cosine[block])
    return 2.0 * np.arccos(np.minimum(cosine, 1.0)).reshape(shape)


def nearest_equivalent(q: np.ndarray, reference: np.ndarray, symmetry: np.ndarray) -> np.ndarray:
    """Return the symmetric equivalents ``s q`` closest to a reference, on its hemisphere.

    Parameters
    ----------
    q, reference : ndarray, shape (..., 4)
        Orientations, broadcast against each other.
    symmetry : ndarray, shape (n, 4)
        Crystal symmetry operations, see :func:`polyrve.crystallography.phase.symmetry_operations`.

    Returns
    -------
    ndarray, shape (..., 4), float64

    See Also
    --------
    disorientation_angle : The angle to the reference.

    Examples
    --------
    >>> from polyrve.crystallography.phase import symmetry_operations
    >>> q = from_euler(np.deg2rad([80.0, 0.0, 0.0]))
    >>> np.rad2deg(to_euler(nearest_equivalent(q, [1.0, 0.0, 0.0, 0.0], symmetry_operations("m-3m")))).round(6)
    array([350.,   0.,   0.])
    """
    q, reference = np.broadcast_arrays(np.asarray(q, dtype=np.float64), np.asarray(reference, dtype=np.float64))
    shape, q, reference = q.shape, q.reshape(-1, 4), reference.reshape(-1, 4)
    best = np.empty_like(q)
    for start in range(0, len(q), _EQUIVALENTS_AT_ONCE):
        block = slice(start, start + _EQUIVALENTS_AT_ONCE)
        dots = multiply(q[block], conjugate(reference[block])) @ conjugate(symmetry).T
        closest = np.argmax(np.abs(dots), axis=1)
        sign = np.where(np.take_along_axis(dots, closest[:, None], axis=1) < 0, -1.0, 1.0)
        best[block] = multiply(symmetry[closest], q[block]) * sign
    return best.reshape(shape)


def random_orientations(shape: int | tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Return uniformly distributed orientations (Haar measure).

    Parameters
    ----------
    shape : int or tuple of int
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (*shape, 4), float64
        Unit quaternions with w >= 0.

    Examples
    --------
    >>> random_orientations((2, 3), np.random.default_rng(0)).shape
    (2, 3, 4)
    """
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    q = normalize(rng.standard_normal((*shape, 4)))
    return np.where(q[..., :1] < 0, -q, q)
