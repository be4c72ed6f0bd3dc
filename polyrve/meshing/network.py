"""The network of grain boundaries as a smooth surface, whose triangles share every triple line.

The faces between cubes of different grains are a surface net [1]_, and so are those on the six faces of the box. Its
nodes are smoothed by stratum [2]_: those on triple lines along the lines, those on boundaries over all their
neighbours, those on the box within its faces, along its edges, or not at all at its corners. After each step the
volumes of all grains are set to what they have in voxels, by the smallest displacement that does so: each boundary
moves along its normal by the difference of two numbers, one for each grain.

The cubes are divided into tetrahedra that move with the net, nodes within grains like all others. A node stays behind
where one of these would lose too much of its volume. Quadrilaterals are cut into triangles along the diagonal that
gives the larger angles. Those of the tetrahedra, and others beyond which all of both cubes lies, keep the surface from
itself; they are the only ones where it is asked for.

The nodes of opposite faces of a periodic volume are one node with several images.

References
----------
.. [1] S. F. Frisken, J. Comput. Graph. Tech. 11 (2022) 34; vtkSurfaceNets3D.
.. [2] S. Maddali et al., Comput. Mater. Sci. 125 (2016) 72, doi:10.1016/j.commatsci.2016.08.021.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.sparse.linalg import spsolve

from polyrve.meshing import hexahedra

_STEPS = 8
"""Steps of smoothing; with 4 the steps of the voxels are still seen, with 16 edges of grains begin to be rounded."""
_CORRECTIONS = 6
"""Steps at the end that correct volumes alone."""
_LEAST, _LEAST_AT_END = 0.1, 0.05
"""What every tetrahedron within the cubes keeps of its volume, while smoothing and while volumes alone are corrected;
with less, triangles become needles."""
_HALVINGS = 5
"""How often the step of a node is halved before it stays where it is."""
_TIE = 1e-6
"""Difference of angles, rad, below which two diagonals are alike; above what images differ by rounding."""


@dataclass(frozen=True, eq=False)
class BoundaryNetwork:
    """A closed surface about every grain; made by :func:`boundary_network`.

    Attributes
    ----------
    points : ndarray, shape (n, 3), um
        x, y, z.
    triangles : ndarray, shape (m, 3), int64
        Their normals point from the first side to the second.
    sides : ndarray, shape (m, 2), int64
        Grains on both sides; 0 outside of the box.
    cubes : ndarray, shape (m, 2), int64
        Cubes on both sides, x fastest; -1 outside of the box.
    faces : ndarray, shape (m,), int64
        Where a side is outside, the face of the box, 1 ... 6 for x0, x1, y0, y1, z0, z1; 0 elsewhere.
    """

    points: np.ndarray
    triangles: np.ndarray
    sides: np.ndarray
    cubes: np.ndarray
    faces: np.ndarray

    def volumes(self) -> np.ndarray:
        """Return the volume of each grain in um^3, by the divergence theorem."""
        return _volumes(self.points, self.triangles, self.sides)


def boundary_network(
    cells: np.ndarray, lengths: Sequence[float], volumes: np.ndarray, periodic: bool, apart: bool = False
) -> BoundaryNetwork:
    """Make the smooth network of the boundaries between cubes.

    Parameters
    ----------
    cells : ndarray, shape (mz, my, mx), int
        Grain of each cube, 1 ... N.
    lengths : sequence of float, um
        Of the box along z, y, x.
    volumes : ndarray, shape (N,), um^3
        What the grains shall have; the sum is that of the box.
    periodic : bool
    apart : bool
        Whether quadrilaterals are cut only where that keeps the surface from itself, at the price of smaller angles;
        without, it meets itself in few volumes.

    Returns
    -------
    BoundaryNetwork
        The box begins at the origin.

    See Also
    --------
    polyrve.meshing.cubes.cut : The cubes.

    Examples
    --------
    >>> cells = np.ones((6, 6, 6), dtype=int)
    >>> cells[2:4, 2:4, 2:4] = 2
    >>> made = boundary_network(cells, (6.0, 6.0, 6.0), np.array([208.0, 8.0]), False)
    >>> made.volumes().round(2)
    array([208.,   8.])
    """
    grid = _grid(cells.shape, lengths, periodic)
    quads, sides = surface_net(cells)
    mean, away = _averages(grid, quads)
    triangles, sides_of = quads[:, _FIXED].reshape(-1, 3), np.repeat(sides, 2, axis=0)
    moved = np.zeros((len(grid.free), 3))
    for _ in range(_STEPS):
        smooth = moved + 0.5 * (away + mean @ moved - moved) * grid.free
        moved = _limited(grid, moved, _with_volumes(grid, smooth, triangles, sides_of, volumes), _LEAST)
    triangles = _triangles(grid, moved, quads, apart)
    for _ in range(_CORRECTIONS):
        moved = _limited(grid, moved, _with_volumes(grid, moved, triangles, sides_of, volumes), _LEAST_AT_END)
    points = grid.points(moved)
    used, of = np.unique(triangles, return_inverse=True)
    return BoundaryNetwork(
        points=points[used],
        triangles=of.reshape(-1, 3),
        sides=sides_of,
        cubes=np.repeat(_cubes_beside(grid, quads, sides, cells), 2, axis=0),
        faces=_faces(grid, triangles, sides_of),
    )


_FIXED = [[0, 1, 2], [0, 2, 3]]
_OTHER = [[0, 1, 3], [1, 2, 3]]


@dataclass(frozen=True, eq=False)
class _Grid:
    """The corners of the cubes and the nodes that they are images of.

    Attributes
    ----------
    number : ndarray, shape (3,)
        Cubes along x, y, z.
    step : ndarray, shape (3,), um
    corners : ndarray, shape (c, 3), int
    node : ndarray, shape (c,), int
    free : ndarray, shape (n, 3), float
        1 along the axes that a node may move along, else 0.
    tetrahedra : ndarray, shape (t, 4), int
        Of corners.
    """

    number: np.ndarray
    step: np.ndarray
    corners: np.ndarray
    node: np.ndarray
    free: np.ndarray
    tetrahedra: np.ndarray

    def points(self, moved: np.ndarray) -> np.ndarray:
        return np.asarray(self.corners * self.step + moved[self.node])


def _grid(shape: Sequence[int], lengths: Sequence[float], periodic: bool) -> _Grid:
    number, step = np.array(shape[::-1]), np.array(lengths[::-1]) / shape[::-1]
    corners = np.rint(hexahedra.nodes(shape, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))).astype(np.int64)
    code = _code(corners % number if periodic else corners, number)
    _, first, node = np.unique(code, return_index=True, return_inverse=True)
    free = ((corners[first] > 0) & (corners[first] < number)).astype(float)
    return _Grid(number, step, corners, node.ravel(), free, hexahedra.tetrahedra(hexahedra.connectivity(shape)))


def _code(corners: np.ndarray, number: np.ndarray) -> np.ndarray:
    """Numbers of corners, x fastest."""
    return np.asarray(corners @ np.array([1, number[0] + 1, (number[0] + 1) * (number[1] + 1)]))


def surface_net(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the faces between voxels of different grains, and those on the box.

    Parameters
    ----------
    cells : ndarray, shape (mz, my, mx), int
        Grain of each voxel, 1 ... N.

    Returns
    -------
    quads : ndarray, shape (m, 4), int64
        Corners of the grid of (mx + 1) (my + 1) (mz + 1), x fastest; the lowest corner first.
    sides : ndarray, shape (m, 2), int64
        Grains on both sides; 0 outside of the box.

    Examples
    --------
    >>> quads, sides = surface_net(np.array([[[1, 2]]]))
    >>> len(quads), (sides > 0).all(axis=1).sum()
    (11, np.int64(1))
    """
    from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkFiltersCore import vtkSurfaceNets3D

    padded = np.ascontiguousarray(np.pad(cells, 1), dtype=np.int32)
    image = vtkImageData()
    image.SetDimensions(*padded.shape[::-1])
    image.SetOrigin(-0.5, -0.5, -0.5)
    image.GetPointData().SetScalars(numpy_to_vtk(padded.ravel()))
    nets = vtkSurfaceNets3D()
    nets.SetInputData(image)
    nets.DataCachingOff()
    number = int(cells.max())
    nets.GenerateLabels(number, 1, number)
    nets.SetSmoothing(False)
    nets.SetOutputMeshTypeToQuads()
    nets.Update()
    net = nets.GetOutput()
    corners = np.rint(vtk_to_numpy(net.GetPoints().GetData())).astype(np.int64)
    quads = vtk_to_numpy(net.GetPolys().GetConnectivityArray()).reshape(-1, 4)
    sides = np.rint(vtk_to_numpy(net.GetCellData().GetArray("BoundaryLabels"))).astype(np.int64)
    lowest = np.argmin(corners[quads].sum(axis=2), axis=1)
    quads = np.take_along_axis(quads, (lowest[:, None] + np.arange(4)) % 4, axis=1)
    return _code(corners, np.array(cells.shape[::-1]))[quads], sides


def _averages(grid: _Grid, quads: np.ndarray) -> tuple[csr_array, np.ndarray]:
    """The mean over the neighbours in the stratum of each node: of their displacements, and of the way to them."""
    ends = np.sort(np.concatenate([quads[:, [i, (i + 1) % 4]] for i in range(4)]), axis=1)
    edges, quads_at = np.unique(ends, axis=0, return_counts=True)
    on_box = (grid.corners == 0) | (grid.corners == grid.number)
    a, b = edges.T
    box_edge = (on_box[a] & on_box[b] & (grid.corners[a] == grid.corners[b])).sum(axis=1) >= 2
    lines = edges[(quads_at != 2) | box_edge]
    index = np.arange(len(grid.corners)).reshape(tuple(grid.number[::-1] + 1))
    everywhere = np.concatenate(
        [np.stack([np.delete(index, -1, axis).ravel(), np.delete(index, 0, axis).ravel()], axis=1) for axis in range(3)]
    )
    stratum = np.zeros(len(grid.free), dtype=int)
    stratum[grid.node[edges]] = 1
    stratum[grid.node[lines]] = 2
    pairs = []
    for rank, some in enumerate((everywhere, edges, lines)):
        both = np.concatenate([some, some[:, ::-1]])
        pairs.append(both[stratum[grid.node[both[:, 0]]] == rank])
    to, other = np.concatenate(pairs).T
    way = (grid.corners[other] - grid.corners[to]) * grid.step
    to, other, n = grid.node[to], grid.node[other], len(grid.free)
    share = 1.0 / np.bincount(to, minlength=n)[to]
    away = np.stack([np.bincount(to, share * values, minlength=n) for values in way.T], axis=1)
    return coo_array((share, (to, other)), shape=(n, n)).tocsr(), away


def _limited(grid: _Grid, before: np.ndarray, after: np.ndarray, share: float) -> np.ndarray:
    """Displacements on the way to those wanted, as far as each tetrahedron keeps its least volume."""
    least = share * np.prod(grid.step) / 6.0
    nodes = grid.node[grid.tetrahedra]
    moved, halved = after.copy(), np.zeros(len(after), dtype=int)
    watched = np.arange(len(grid.tetrahedra))
    while True:
        bad = watched[_volumes_of(grid.points(moved)[grid.tetrahedra[watched]]) < least]
        if not len(bad):
            return moved
        back = np.unique(nodes[bad])
        halved[back] += 1
        moved[back] = np.where(halved[back, None] > _HALVINGS, before[back], 0.5 * (moved[back] + before[back]))
        touched = np.zeros(len(after), dtype=bool)
        touched[back] = True
        watched = np.flatnonzero(touched[nodes].any(axis=1))


def _volumes_of(corners: np.ndarray) -> np.ndarray:
    """Signed volumes of tetrahedra, corners of shape (n, 4, 3)."""
    a, b, c, d = np.moveaxis(corners, 1, 0)
    return np.asarray(np.einsum("ij,ij->i", b - a, np.cross(c - a, d - a)) / 6.0)


def _volumes(points: np.ndarray, triangles: np.ndarray, sides: np.ndarray) -> np.ndarray:
    p, q, r = np.moveaxis(points[triangles], 1, 0)
    part = np.einsum("ij,ij->i", p, np.cross(q, r)) / 6.0
    n = int(sides.max()) + 1
    return np.asarray(np.bincount(sides[:, 0], part, n) - np.bincount(sides[:, 1], part, n))[1:]


def _with_volumes(
    grid: _Grid, moved: np.ndarray, triangles: np.ndarray, sides: np.ndarray, volumes: np.ndarray
) -> np.ndarray:
    """Displacements next to those given with which the grains have their volumes, to first order."""
    points = grid.points(moved)
    p, q, r = np.moveaxis(points[triangles], 1, 0)
    third = np.cross(q - p, r - p) / 6.0
    rows, columns, values = [], [], []
    for side, sign in ((0, 1.0), (1, -1.0)):
        inside = sides[:, side] > 0
        for corner in range(3):
            node = grid.node[triangles[inside, corner]]
            for axis in range(3):
                rows.append(sides[inside, side] - 1)
                columns.append(3 * node + axis)
                values.append(sign * third[inside, axis] * grid.free[node, axis])
    shape = (len(volumes), moved.size)
    change = coo_array((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=shape).tocsr()
    missing = volumes - _volumes(points, triangles, sides)
    pressure = np.zeros(len(volumes))
    if len(volumes) > 1:
        pressure[1:] = spsolve((change @ change.T).tocsc()[1:, 1:], missing[1:])
    return np.asarray(moved + (change.T @ pressure).reshape(-1, 3))


def _triangles(grid: _Grid, moved: np.ndarray, quads: np.ndarray, apart: bool) -> np.ndarray:
    """Cut each quadrilateral along the diagonal with the larger smallest angle, if the surface may go along it."""
    points = grid.points(moved)
    fixed, other = quads[:, _FIXED], quads[:, _OTHER]
    better = smallest_angles(points[other]).min(axis=1) > smallest_angles(points[fixed]).min(axis=1) + _TIE
    chosen = better & _passable(grid, points, quads) if apart else better
    return np.where(chosen[:, None, None], other, fixed).reshape(-1, 3)


def _passable(grid: _Grid, points: np.ndarray, quads: np.ndarray) -> np.ndarray:
    """Tell where the diagonal that no tetrahedron has keeps the surface from itself.

    All that a cube beside the quadrilateral is bounded by must lie on the cube's side of both triangles; on the box,
    where nodes move within a plane, the triangles must not overlap.
    """
    corners = grid.corners[quads]
    normal = (corners.max(axis=1) == corners.min(axis=1)).astype(np.int64)
    on_box = (normal * ((corners[:, 0] == 0) | (corners[:, 0] == grid.number))).any(axis=1)
    triangles, undisturbed = quads[:, _OTHER], grid.corners * grid.step
    a, b = (np.cross(x[triangles[..., 1]] - x[triangles[..., 0]], x[triangles[..., 2]] - x[triangles[..., 0]])
            for x in (points, undisturbed))  # fmt: skip
    passable = ~on_box | (np.einsum("ijk,ijk->ij", a, b) > 0.0).all(axis=1)
    for way in (1, -1):
        beyond = np.where(on_box[:, None], quads, _code(corners + way * normal[:, None], grid.number))
        heights = [
            np.einsum("ijk,ijlk->ijl", across, x[beyond][:, None] - x[triangles[..., 0]][:, :, None])
            for across, x in ((a, points), (b, undisturbed))
        ]
        passable &= on_box | (heights[0] * np.sign(heights[1]) > _LEAST_AT_END * np.abs(heights[1])).all(axis=(1, 2))
    return passable


def _cubes_beside(grid: _Grid, quads: np.ndarray, sides: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """The cubes on both sides of quadrilaterals in the order of their grains, -1 outside."""
    corners = grid.corners[quads]
    above = corners.min(axis=1)
    below = above - (corners.max(axis=1) == above)
    beside = np.stack([below, above], axis=1)
    inside = ((beside >= 0) & (beside < grid.number)).all(axis=2)
    flat = np.where(inside, beside @ np.array([1, grid.number[0], grid.number[0] * grid.number[1]]), -1)
    grains = np.where(inside, cells.ravel()[flat], 0)
    return np.where((grains == sides).all(axis=1, keepdims=True), flat, flat[:, ::-1])


def smallest_angles(corners: np.ndarray) -> np.ndarray:
    """Return the smallest angle of triangles.

    Parameters
    ----------
    corners : ndarray, shape (..., 3, 3)

    Returns
    -------
    ndarray, shape (...), float64, rad

    Examples
    --------
    >>> np.rad2deg(smallest_angles(np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]))).round(6)
    np.float64(45.0)
    """
    angles = []
    for i in range(3):
        u = corners[..., (i + 1) % 3, :] - corners[..., i, :]
        v = corners[..., (i + 2) % 3, :] - corners[..., i, :]
        angles.append(np.arctan2(np.linalg.norm(np.cross(u, v), axis=-1), np.sum(u * v, axis=-1)))
    return np.asarray(np.min(angles, axis=0))


def _faces(grid: _Grid, triangles: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """The face of the box of each triangle that has a side outside."""
    corners, faces = grid.corners[triangles], np.zeros(len(triangles), dtype=np.int64)
    outside = (sides == 0).any(axis=1)
    for axis in range(3):
        for end, place in enumerate((0, grid.number[axis])):
            faces[outside & (corners[:, :, axis] == place).all(axis=1)] = 2 * axis + end + 1
    return faces
