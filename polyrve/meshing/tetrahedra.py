"""Tetrahedra that fill every grain and share all nodes of the boundaries between them.

Gmsh [1]_ (``pip install gmsh``) fills the boundary network of :mod:`polyrve.meshing.network` without
touching its triangles, exchanges badly shaped tetrahedra, and moves their nodes within the grains.

References
----------
.. [1] C. Geuzaine, J.-F. Remacle, Int. J. Numer. Methods Eng. 79 (2009) 1309, doi:10.1002/nme.2579.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from types import ModuleType

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from polyrve.backend import processors
from polyrve.meshing import cubes
from polyrve.meshing.network import BoundaryNetwork, boundary_network
from polyrve.meshing.quality import MeshQuality, mesh_quality

FACES = ("X0", "X1", "Y0", "Y1", "Z0", "Z1")
"""Faces of the box, by their number from 1."""
ELEMENTS_PER_GRAIN = 6
"""Elements along the diameter of the mean grain by default.

A ball of six has as many cubes as squares on its surface.
"""
_THRESHOLD = 0.35
"""Gmsh's quality (inscribed over circumscribed radius) below which tetrahedra are exchanged."""
_TRIANGLE, _TETRAHEDRON = 2, 4
"""Gmsh's numbers of element types."""
_EDGES = ((0, 1), (1, 2), (0, 2), (0, 3), (1, 3), (2, 3))
"""Corners of the edges in whose middles the nodes 4 ... 9 lie, as in Abaqus, VTK and Exodus."""


@dataclass(frozen=True, eq=False)
class TetrahedralMesh:
    """Tetrahedra by grain; made by :func:`mesh_grains`.

    Attributes
    ----------
    points : ndarray, shape (n, 3), um
        x, y, z.
    tetrahedra : ndarray, shape (m, 4) or (m, 10), int64
        Linear, or quadratic with nodes in the middles of the edges in the order of Abaqus, VTK and Exodus.
    grains : ndarray, shape (m,), int64
        1 ... N.
    triangles : ndarray, shape (k, 3) or (k, 6), int64
        Grain boundaries, and the faces of the box.
    sides : ndarray, shape (k, 2), int64
        Grains on both sides, normals pointing from the first to the second; 0 outside of the box.
    faces : ndarray, shape (k,), int64
        Face of the box, an index to :data:`FACES` from 1; 0 within.
    box : ndarray, shape (2, 3), um
        Lowest and highest corner.
    size : float, um
        Of the elements.
    periodic : bool
        Whether opposite faces have the same nodes and triangles.
    target : ndarray, shape (N,), um^3
        Volumes of the grains in voxels.
    """

    points: np.ndarray
    tetrahedra: np.ndarray
    grains: np.ndarray
    triangles: np.ndarray
    sides: np.ndarray
    faces: np.ndarray
    box: np.ndarray
    size: float
    periodic: bool
    target: np.ndarray

    @cached_property
    def quality(self) -> MeshQuality:
        """Shapes of the tetrahedra."""
        return mesh_quality(self.points, self.tetrahedra)

    def volumes(self) -> np.ndarray:
        """Return the volume of each grain in um^3, shape (N,)."""
        a, b, c, d = np.moveaxis(self.points[self.tetrahedra[:, :4]], 1, 0)
        each = np.einsum("ij,ij->i", b - a, np.cross(c - a, d - a)) / 6.0
        return np.bincount(self.grains, each, minlength=len(self.target) + 1)[1:]

    def volume_error(self) -> float:
        """Return the largest difference of a grain's volume from that in voxels, relative to the latter."""
        present = np.unique(self.grains)
        return float(np.abs(self.volumes()[present - 1] / self.target[present - 1] - 1.0).max())

    def without(self, grains: np.ndarray) -> TetrahedralMesh:
        """Return the mesh without some grains, whose boundaries become free surfaces.

        Parameters
        ----------
        grains : ndarray, shape (l,), int
            1 ... N.

        Returns
        -------
        TetrahedralMesh
            The other grains keep their numbers; nodes of no element are gone, and have no images.
        """
        kept = ~np.isin(self.grains, grains)
        sides = np.where(np.isin(self.sides, grains), 0, self.sides)
        bound = (sides > 0).any(axis=1)
        used, tetrahedra = np.unique(self.tetrahedra[kept], return_inverse=True)
        new = np.full(len(self.points), -1, dtype=np.int64)
        new[used] = np.arange(len(used))
        return replace(
            self,
            points=self.points[used],
            tetrahedra=tetrahedra.reshape(-1, self.tetrahedra.shape[1]),
            grains=self.grains[kept],
            triangles=new[self.triangles[bound]],
            sides=sides[bound],
            faces=self.faces[bound],
        )

    def split(self) -> tuple[TetrahedralMesh, np.ndarray]:
        """Return the mesh with nodes of its own for each grain, and the cohesive elements between the grains.

        Returns
        -------
        mesh : TetrahedralMesh
            Triangles between two grains have the nodes of the first.
        cohesive : ndarray, shape (k, 6), int64
            Nodes of the first grain, then those at the same places of the second, one row per boundary triangle.

        Raises
        ------
        ValueError
            If the mesh is quadratic or periodic.
        """
        if self.tetrahedra.shape[1] != _TETRAHEDRON or self.periodic:
            raise ValueError(
                "cohesive: expected linear elements and free faces; got "
                f"{'periodic faces' if self.periodic else 'quadratic elements'}: leave it out, or mesh without them"
            )
        base = len(self.target) + 1
        keys, tetrahedra = np.unique(self.tetrahedra * base + self.grains[:, None], return_inverse=True)
        first, second = self.sides.T
        own = np.where(first > 0, first, second)
        between = (self.faces == 0) & (first > 0) & (second > 0)
        sides = [np.searchsorted(keys, self.triangles[between] * base + s[between, None]) for s in (first, second)]
        made = replace(
            self,
            points=self.points[keys // base],
            tetrahedra=tetrahedra.reshape(self.tetrahedra.shape),
            triangles=np.searchsorted(keys, self.triangles * base + own[:, None]),
        )
        return made, np.concatenate(sides, axis=1)

    def nodes_on(self, face: str) -> np.ndarray:
        """Return the nodes on a face of the box.

        Parameters
        ----------
        face : str
            One of :data:`FACES`.
        """
        return np.unique(self.triangles[self.faces == FACES.index(face) + 1])

    def images(self) -> Iterator[tuple[tuple[int, ...], np.ndarray, np.ndarray]]:
        """Yield the nodes on upper faces, edges and corners with their images on lower ones.

        Yields
        ------
        shifts : tuple of int, length 3
            1 for each axis x, y, z along which the node lies a period above its image.
        nodes, images : ndarray, shape (l,), int64

        Raises
        ------
        ValueError
            If the mesh is not periodic, or a node has no image.
        """
        if not self.periodic:
            raise ValueError("periodic: expected a mesh of a periodic volume, whose opposite faces match; this is none")
        close = 1e-6 * self.size
        upper = [np.isin(np.arange(len(self.points)), self.nodes_on(f"{axis}1")) for axis in "XYZ"]
        on_lower = np.unique(np.concatenate([self.nodes_on(f"{axis}0") for axis in "XYZ"]))
        lower = on_lower[~np.any(upper, axis=0)[on_lower]]
        tree = cKDTree(self.points[lower])
        for shifts in itertools.product((0, 1), repeat=3):
            if not any(shifts):
                continue
            nodes = np.flatnonzero(np.all([on == bool(s) for on, s in zip(upper, shifts, strict=True)], axis=0))
            distance, found = tree.query(self.points[nodes] - np.array(shifts) * (self.box[1] - self.box[0]))
            whole = len(np.unique(self.grains)) == len(self.target)
            if whole and len(nodes) and distance.max() > close:
                raise ValueError(
                    f"periodic: expected an image of every node within {close:.1g} um; got {distance.max():.3g} um: "
                    "choose another size of the elements"
                )
            near = distance <= close
            yield shifts, nodes[near], lower[found[near]]


def mesh_grains(
    ids: np.ndarray,
    spacing: Sequence[float],
    *,
    origin: Sequence[float] = (0.0, 0.0, 0.0),
    size: float | None = None,
    quadratic: bool = False,
    periodic: bool = False,
    improve: bool = True,
    seed: int = 0,
) -> TetrahedralMesh:
    """Fill the grains of a volume with tetrahedra that follow the grain boundaries.

    Parameters
    ----------
    ids : ndarray, shape (nz, ny, nx), int
        Grain of each voxel, 1 ... N without gaps.
    spacing, origin : sequence of float, um
        Size of the voxels and corner of the first one, in the order z, y, x.
    size : float, um, optional
        Of the elements; by default the diameter of the mean grain over :data:`ELEMENTS_PER_GRAIN`, at least a voxel.
    quadratic : bool
        Whether the edges have nodes in their middles.
    periodic : bool
        Whether the volume repeats: opposite faces of the mesh then match.
    improve : bool
        Whether badly shaped tetrahedra are improved by Netgen's exchanges, which take most of the time.
    seed : int
        Of ties between cubes.

    Returns
    -------
    TetrahedralMesh

    Raises
    ------
    ImportError
        If Gmsh is not installed.
    ValueError
        If the elements are larger than the grains, or Gmsh finds no tetrahedra.
    """
    ids = np.asarray(ids)
    voxels = np.bincount(ids.ravel())[1:]
    voxel = float(np.prod(spacing))
    if size is None:
        size = max(float(np.cbrt(6.0 / np.pi * voxel * ids.size / len(voxels))) / ELEMENTS_PER_GRAIN, np.cbrt(voxel))
    if not (np.isfinite(size) and size > 0):
        raise ValueError(f"size: expected a positive length in um; got {size:g}")
    cells = cubes.cut(ids, spacing, size, periodic, np.random.default_rng(seed))
    lengths = np.array(ids.shape) * np.array(spacing)
    network = boundary_network(cells, lengths, voxels * voxel, periodic)
    try:
        points, tetrahedra, grains = _fill(network, cells, improve)
    except _SurfaceMeetsItself:
        network = boundary_network(cells, lengths, voxels * voxel, periodic, apart=True)
        points, tetrahedra, grains = _fill(network, cells, improve)
    low = np.array(origin[::-1], dtype=float)
    points, tetrahedra, triangles = _compact(points + low, tetrahedra, network.triangles)
    if quadratic:
        points, tetrahedra, triangles = _with_middles(points, tetrahedra, triangles)
    return TetrahedralMesh(
        points=points,
        tetrahedra=tetrahedra,
        grains=grains,
        triangles=triangles,
        sides=network.sides,
        faces=network.faces,
        box=np.stack([low, low + lengths[::-1]]),
        size=size,
        periodic=periodic,
        target=voxels * voxel,
    )


class _SurfaceMeetsItself(ValueError):
    """Gmsh finds facets that cross or lie upon each other."""


def _fill(network: BoundaryNetwork, cells: np.ndarray, improve: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points, tetrahedra and their grains; the first points are those of the network."""
    parts, grain_of_part = _parts(cells)
    sides = np.where(network.cubes >= 0, parts.ravel()[network.cubes], -network.faces[:, None])
    kinds, of = np.unique(np.sort(sides, axis=1), axis=0, return_inverse=True)
    n = len(network.points)
    with gmsh_model() as gmsh:
        mesh = gmsh.model.mesh
        for tag in range(1, len(kinds) + 1):
            gmsh.model.addDiscreteEntity(2, tag)
        mesh.addNodes(2, 1, np.arange(1, n + 1), network.points.ravel())
        for tag in range(1, len(kinds) + 1):
            mesh.addElementsByType(tag, _TRIANGLE, [], (network.triangles[of.ravel() == tag - 1] + 1).ravel())
        mesh.reclassifyNodes()
        for part in range(1, len(grain_of_part)):
            shell = (np.flatnonzero((kinds == part).any(axis=1)) + 1).tolist()
            gmsh.model.geo.addVolume([gmsh.model.geo.addSurfaceLoop(shell)], part)
        gmsh.model.geo.synchronize()
        try:
            mesh.generate(3)
            if improve:
                mesh.optimize("Netgen")
        except Exception as error:
            raise _SurfaceMeetsItself(
                f"size: Gmsh found no tetrahedra ({error}): choose another size of elements"
            ) from None
        found = [mesh.getElementsByType(_TETRAHEDRON, part)[1] for part in range(1, len(grain_of_part))]
        tags, coordinates, _ = mesh.getNodes()
    empty = [int(grain_of_part[part]) for part, nodes in enumerate(found, start=1) if not len(nodes)]
    if empty:
        raise ValueError(
            f"size: Gmsh left {len(empty)} grains empty, the first is {empty[0]}: choose another size of elements"
        )
    points = np.empty((int(tags.max()), 3))
    points[tags.astype(np.int64) - 1] = coordinates.reshape(-1, 3)
    if not np.allclose(points[:n], network.points, rtol=0.0, atol=1e-9 * np.ptp(network.points)):
        raise ValueError("size: Gmsh moved nodes of the grain boundaries: choose another size of elements")
    grains = np.repeat(grain_of_part[1:], [len(nodes) // 4 for nodes in found])
    return points, np.concatenate(found).astype(np.int64).reshape(-1, 4) - 1, grains


def _parts(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number the face-connected parts of the grains from 1, and tell the grain of each part (that of part 0 is 0)."""
    index = np.arange(cells.size).reshape(cells.shape)
    pairs = []
    for axis in range(3):
        a, b = np.delete(index, -1, axis).ravel(), np.delete(index, 0, axis).ravel()
        pairs.append(np.stack([a, b], axis=1)[cells.ravel()[a] == cells.ravel()[b]])
    a, b = np.concatenate(pairs).T
    number, parts = connected_components(coo_array((np.ones(len(a)), (a, b)), shape=(cells.size,) * 2), directed=False)
    grain_of_part = np.zeros(number + 1, dtype=np.int64)
    grain_of_part[parts + 1] = cells.ravel()
    return (parts + 1).reshape(cells.shape), grain_of_part


@contextmanager
def gmsh_model() -> Iterator[ModuleType]:
    """Open Gmsh with a model of its own, quiet; afterwards it is as before.

    Yields
    ------
    module

    Raises
    ------
    ImportError
        If Gmsh is not installed.
    """
    try:
        import gmsh
    except (ImportError, OSError) as error:
        raise ImportError(f"tetrahedra: expected Gmsh ({error}): pip install gmsh", name="gmsh") from None
    running = bool(gmsh.isInitialized())
    if not running:
        gmsh.initialize(readConfigFiles=False, interruptible=False)
    before = gmsh.model.getCurrent() if running else ""
    numbers = {
        "General.Terminal": 0,
        "General.NumThreads": processors.count(),
        "Mesh.Renumber": 0,
        "Mesh.Optimize": 1,
        "Mesh.OptimizeThreshold": _THRESHOLD,
        "Mesh.Algorithm3D": 1,
    }
    old = {name: gmsh.option.getNumber(name) for name in numbers}
    for name, value in numbers.items():
        gmsh.option.setNumber(name, value)
    gmsh.model.add("polyrve")
    try:
        yield gmsh
    finally:
        gmsh.model.remove()
        if running:
            gmsh.model.setCurrent(before)
            for name, value in old.items():
                gmsh.option.setNumber(name, value)
        else:
            gmsh.finalize()


def _compact(
    points: np.ndarray, tetrahedra: np.ndarray, triangles: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points that are used, in their order, and the elements with positive volumes."""
    used = np.unique(tetrahedra)
    new = np.zeros(len(points), dtype=np.int64)
    new[used] = np.arange(len(used))
    tetrahedra = new[tetrahedra]
    a, b, c, d = np.moveaxis(points[used][tetrahedra], 1, 0)
    turned = np.einsum("ij,ij->i", b - a, np.cross(c - a, d - a)) < 0
    tetrahedra[turned] = tetrahedra[turned][:, [0, 2, 1, 3]]
    return points[used], tetrahedra, new[triangles]


def _with_middles(
    points: np.ndarray, tetrahedra: np.ndarray, triangles: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same elements with nodes in the middles of their edges."""
    ends = np.sort(tetrahedra[:, _EDGES].reshape(-1, 2), axis=1)
    code = ends[:, 0] * len(points) + ends[:, 1]
    edges, middle = np.unique(code, return_inverse=True)
    of_triangle = np.sort(triangles[:, ((0, 1), (1, 2), (0, 2))], axis=2)
    known = np.searchsorted(edges, of_triangle[..., 0] * len(points) + of_triangle[..., 1])
    middles = 0.5 * (points[edges // len(points)] + points[edges % len(points)])
    n = len(points)
    return (
        np.concatenate([points, middles]),
        np.concatenate([tetrahedra, n + middle.reshape(-1, 6)], axis=1),
        np.concatenate([triangles, n + known], axis=1),
    )
