import numpy as np

from polyrve.meshing import hexahedra

SHAPE, SPACING, ORIGIN = (3, 4, 5), (0.7, 0.35, 1.1), (1.0, -2.0, 3.1)


def volumes(tetrahedra, points):
    a, b, c, d = (points[tetrahedra[:, i]] for i in range(4))
    return np.einsum("ij,ij->i", np.cross(b - a, c - a), d - a) / 6


def test_voxels_lie_where_they_should():
    points = hexahedra.nodes(SHAPE, SPACING, ORIGIN)
    centres = points[hexahedra.connectivity(SHAPE)].mean(axis=1)
    z, y, x = np.meshgrid(
        *(o + d * (np.arange(n) + 0.5) for n, d, o in zip(SHAPE, SPACING, ORIGIN, strict=True)), indexing="ij"
    )
    np.testing.assert_allclose(centres, np.stack([x.ravel(), y.ravel(), z.ravel()], axis=1))
    edges = points[hexahedra.connectivity(SHAPE)]
    np.testing.assert_allclose(edges[:, 1] - edges[:, 0], np.tile([1.1, 0, 0], (60, 1)), atol=1e-12)
    np.testing.assert_allclose(edges[:, 3] - edges[:, 0], np.tile([0, 0.35, 0], (60, 1)), atol=1e-12)
    np.testing.assert_allclose(edges[:, 4] - edges[:, 0], np.tile([0, 0, 0.7], (60, 1)), atol=1e-12)


def test_parts_are_those_of_the_whole():
    points = hexahedra.nodes(SHAPE, SPACING, ORIGIN)
    layers = list(hexahedra.node_layers(SHAPE, SPACING, ORIGIN))
    assert [len(layer) for layer in layers] == [5 * 6] * 4
    np.testing.assert_array_equal(np.concatenate(layers), points)
    some = np.array([59, 0, 17, 20])
    np.testing.assert_array_equal(hexahedra.connectivity(SHAPE, some), hexahedra.connectivity(SHAPE)[some])
    assert hexahedra.connectivity(SHAPE).dtype == np.int32


def test_tetrahedra_fill_the_hexahedra_and_match_across_faces():
    points = hexahedra.nodes(SHAPE, SPACING, ORIGIN)
    tetrahedra = hexahedra.tetrahedra(hexahedra.connectivity(SHAPE))
    np.testing.assert_allclose(volumes(tetrahedra, points), 0.7 * 0.35 * 1.1 / 6)
    triangles = np.sort(tetrahedra[:, [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]].reshape(-1, 3), axis=1)
    _, count = np.unique(triangles, axis=0, return_counts=True)
    outer = 2 * 2 * (3 * 4 + 4 * 5 + 3 * 5)
    assert count.max() == 2
    assert (count == 1).sum() == outer


def test_faces_lie_on_the_surface_and_point_along_the_axis():
    points = hexahedra.nodes(SHAPE, SPACING, ORIGIN)
    for name, quads in hexahedra.faces(SHAPE).items():
        axis, end = "xyz".index(name[0]), int(name[1])
        level = (ORIGIN[2 - axis], ORIGIN[2 - axis] + SPACING[2 - axis] * SHAPE[2 - axis])[end]
        np.testing.assert_allclose(points[quads][..., axis], level)
        corner = points[quads]
        normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
        assert (normal[:, axis] > 0).all()
        assert len(quads) == np.prod([n for i, n in enumerate(SHAPE[::-1]) if i != axis])
