"""What polyrve writes it reads back, and what other programs write: the round-trip matrix of volumes."""

import warnings

import numpy as np
import pytest

import polyrve
from polyrve.adapters import registry
from polyrve.adapters.registry import FormatError
from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.microstructure.fields import OrientationMap
from polyrve.microstructure.grains import GrainVolume


def quiet(function, *arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments, **options)


EXACT, SINGLE, TEXT = 1e-9, 1e-6, 1e-7
WAYS = {
    "vti": ("a.vti", {}, SINGLE, "phases periodic origin"),
    "vti-compressed": ("a.vti", {"compress": True}, SINGLE, "phases periodic origin"),
    "vtkhdf": ("a.vtkhdf", {}, SINGLE, "phases periodic origin"),
    "damask": ("job", {"phase": {"Al": "Al", "Ti": "Ti"}}, EXACT, "names laue origin"),
    "abaqus": ("a.inp", {}, EXACT, "phases origin"),
    "abaqus-user": ("a.inp", {"materials": "user"}, TEXT, "phases origin"),
    "abaqus-split": ("a.inp", {"split": True, "periodic": True}, EXACT, "phases origin"),
    "los-alamos": ("a.txt", {}, TEXT, ""),
    "moose": ("a.inl", {}, EXACT, "names laue origin"),
    "exodus": ("a.e", {}, EXACT, "phases origin"),
    "prisms": ("folder", {}, EXACT, "equivalent"),
    "amitex": ("folder", {}, EXACT, "origin renumbered"),
    "vtu": ("a.vtu", {}, SINGLE, "origin"),
    "msh": ("a.msh", {}, SINGLE, "origin"),
}
FORMATS = {"abaqus-user": "abaqus", "abaqus-split": "abaqus", "exodus": "moose", "vtu": "meshio", "msh": "meshio"}


@pytest.mark.parametrize("way", WAYS)
def test_what_is_written_is_read_back(volume_files, tmp_path, way):
    name, options, tolerance, kept = WAYS[way]
    if way == "exodus":
        pytest.importorskip("netCDF4")
    rve = volume_files.grained()
    quiet(polyrve.write, rve, tmp_path / name, format=FORMATS.get(way, way.removesuffix("-compressed")), **options)
    told = {} if {"phases", "laue"} & set(kept.split()) else {"laue": ["m-3m", "6/mmm"]}
    read = {"spacing": 0.5} if way == "los-alamos" else {}
    back = quiet(polyrve.read_grains, tmp_path / name, volume=True, **told, **read)
    if "renumbered" not in kept:
        np.testing.assert_array_equal(back.grain_ids, rve.grain_ids)
    assert len(np.unique(np.stack([back.grain_ids, rve.grain_ids]).reshape(2, -1), axis=1).T) == 5
    np.testing.assert_array_equal(back.field.phase_ids, rve.field.phase_ids)
    q = back.field.quaternions
    if "equivalent" in kept:
        for i, phase in enumerate(rve.field.phases, start=1):
            here = rve.field.phase_ids == i
            q = np.where(here[..., None], rotation.nearest_equivalent(q, rve.field.quaternions, phase.symmetry), q)
    np.testing.assert_allclose(rotation.to_matrix(q), rotation.to_matrix(rve.field.quaternions), rtol=0, atol=tolerance)
    assert back.field.spacing == pytest.approx((0.5,) * 3)
    assert [phase.laue for phase in back.field.phases] == ["m-3m", "6/mmm"]
    if "origin" in kept:
        assert back.field.origin == pytest.approx((0.5, 1.0, -2.0), abs=1e-9)
    if "names" in kept or "phases" in kept:
        assert [phase.name for phase in back.field.phases] == ["Al", "Ti"]
    if "phases" in kept:
        assert back.field.phases == rve.field.phases
    assert back.field.periodic == ("periodic" in kept)


@pytest.mark.parametrize(("name", "format"), [("a.sites", "spparks"), ("a.vti", "spparks")])
def test_spins_are_read_back_and_oriented_at_random(volume_files, tmp_path, name, format):
    rve = volume_files.grained()
    quiet(polyrve.write, rve, tmp_path / name, format=format)
    with pytest.warns(UserWarning, match="no orientations; each grain has one at random"):
        back = polyrve.read_grains(tmp_path / name, volume=True, laue="6/mmm")
    np.testing.assert_array_equal(back.grain_ids, rve.grain_ids)
    again = quiet(polyrve.read_grains, tmp_path / name, volume=True, laue="6/mmm", seed=1)
    assert np.abs(again.quaternions - back.quaternions).max() > 0.1


def test_voxels_without_elements_are_in_no_grain(volume_files, tmp_path):
    rve = volume_files.grained((Phase("Al"), Phase("Void", "m-3m")))
    quiet(polyrve.write, rve, tmp_path / "a.inp", format="abaqus")
    back = quiet(polyrve.read, tmp_path / "a.inp")
    np.testing.assert_array_equal(back.phase_ids, np.where(rve.field.phase_ids == 2, 0, 1))


@pytest.mark.parametrize("descriptor", [
    "euler-bunge", "euler-bunge:active", "euler-bunge:passive", "rodrigues:active", "quaternion:active",
    "axis-angle:active", "rotmat:active",
])  # fmt: skip
@pytest.mark.parametrize("version", ["2.1", "2.2"])
def test_tesr_in_the_words_of_neper(tmp_path, descriptor, version):
    """One orientation as Neper 4.9.0 (2.1) and 4.10.2 (2.2) wrote it, in all its descriptors."""
    written = {
        "euler-bunge": "108.825664965425 114.820471971600 -200.618088948319",
        "rodrigues": "-2.032423786317 0.959773065017 -1.031783444127",
        "quaternion": "0.374858310622 -0.761870947006 0.359778909733 -0.386772598793",
        "axis-angle": "-0.821794461483 0.388076637570 -0.417193464051 135.968888317688",
        "rotmat": "0.441932185869 -0.838180043298 0.319609383638 -0.258240351385 -0.460080766139 -0.849492560030 "
        "0.859073840837 0.292882064397 -0.419776407561",
    }
    kind, _, word = descriptor.partition(":")
    numbers = written[kind]
    if descriptor == "euler-bunge:passive":
        numbers = "20.618088948319 114.820471971600 71.174335034575"
    if version == "2.2" and word:
        descriptor = f"{kind}:{'passive' if word == 'active' else 'active'}"
    (tmp_path / "a.tesr").write_text(
        f"***tesr\n **format\n   {version}\n **general\n   3\n   2 1 1\n   0.5 0.5 0.5\n **cell\n   1\n  *ori\n"
        f"   {descriptor}\n {numbers}\n  *crysym\n   cubic\n **data\n   ascii\n 1 0\n***end\n"
    )
    back = quiet(polyrve.read, tmp_path / "a.tesr")
    np.testing.assert_array_equal(back.phase_ids, [[[1, 0]]])
    g = np.array(written["rotmat"].split(), dtype=float).reshape(3, 3)
    np.testing.assert_allclose(rotation.to_matrix(back.quaternions[0, 0, 0]), g, atol=1e-9)


def test_tesr_is_read_back_with_its_voxels_orientations(volume_files, tmp_path):
    rve = volume_files.grained((Phase("Ti", "6/mmm"),))
    turned = rotation.multiply(rotation.from_rotation_vector(np.full((3, 4, 5, 3), 0.01)), rve.field.quaternions)
    rve = GrainVolume(rve.field.evolve(quaternions=turned), rve.grain_ids, rve.quaternions, rve.phase_ids)
    for own in (False, True):
        polyrve.write(rve, tmp_path / "a.tesr", force=True, voxel_orientations=own)
        back = quiet(polyrve.read_grains, tmp_path / "a.tesr", volume=True)
        expected = turned if own else rve.quaternions[rve.grain_ids - 1]
        np.testing.assert_allclose(
            rotation.to_matrix(back.field.quaternions), rotation.to_matrix(expected), rtol=0, atol=1e-9
        )
        np.testing.assert_array_equal(back.grain_ids, rve.grain_ids)
        assert back.field.phases[0].laue == "6/mmm"
        assert back.field.origin == pytest.approx((0.5, 1.0, -2.0))


def test_binary_tesr(tmp_path):
    ids = np.arange(1, 25, dtype="<i2")
    (tmp_path / "a.tesr").write_bytes(
        b"***tesr\n **format\n   2.2\n **general\n   3\n   4 3 2\n   1 1 1\n **data\n   binary16\n"
        + ids.tobytes()
        + b"\n***end\n"
    )
    back = quiet(polyrve.read, tmp_path / "a.tesr")
    np.testing.assert_array_equal(back.properties["FeatureIds"].ravel(), ids)
    assert back.shape == (2, 3, 4)


def test_vti_of_vtk_in_all_its_encodings(tmp_path):
    vtk = pytest.importorskip("vtk")
    from vtkmodules.util.numpy_support import numpy_to_vtk

    q = rotation.random_orientations(60, np.random.default_rng(1))
    image = vtk.vtkImageData()
    image.SetDimensions(6, 5, 4)
    image.SetSpacing(0.5, 0.25, 2.0)
    image.SetOrigin(1.0, 2.0, 3.0)
    for name, values in (("Quats", q), ("Phases", np.arange(60) % 2), ("CI", np.arange(60.0))):
        array = numpy_to_vtk(values, deep=True)
        array.SetName(name)
        image.GetCellData().AddArray(array)
    for mode in ("Ascii", "Binary", "Appended"):
        for compressor in ("None", "ZLib", "LZMA"):
            for encode in (0, 1):
                writer = vtk.vtkXMLImageDataWriter()
                writer.SetFileName(str(tmp_path / "a.vti"))
                writer.SetInputData(image)
                getattr(writer, f"SetDataModeTo{mode}")()
                getattr(writer, f"SetCompressorTypeTo{compressor}")()
                writer.SetEncodeAppendedData(encode)
                writer.Write()
                back = polyrve.read(tmp_path / "a.vti", laue="m-3m")
                indexed = back.phase_ids.ravel() > 0
                np.testing.assert_array_equal(indexed, np.arange(60) % 2)
                np.testing.assert_allclose(back.quaternions.reshape(-1, 4)[indexed], q[indexed], atol=1e-6)
                np.testing.assert_array_equal(back.properties["CI"].ravel(), np.arange(60.0))
                assert back.shape == (3, 4, 5)
                assert back.spacing == (2.0, 0.25, 0.5)
                assert back.origin == (3.0, 2.0, 1.0)


def test_grid_of_damask(volume_files, tmp_path):
    damask = pytest.importorskip("damask")
    q = damask.Rotation.from_random(5, rng_seed=1)
    ids = volume_files.grained().grain_ids - 1
    quiet(damask.GeomGrid if hasattr(damask, "GeomGrid") else damask.Grid, ids.T, [2.5e-6, 2e-6, 1.5e-6]).save(
        tmp_path / "geometry.vti"
    )
    config = damask.ConfigMaterial(phase={"Fe": {"lattice": "cI"}}, homogenization={"SX": {"N_constituents": 1}})
    config = config.material_add(homogenization="SX", phase="Fe", O=q)
    config.save(tmp_path / "material.yaml")
    back = polyrve.read(tmp_path / "geometry.vti")
    np.testing.assert_allclose(rotation.to_matrix(back.quaternions), q.as_matrix()[ids], atol=1e-9)
    assert back.spacing == pytest.approx((0.5,) * 3)
    assert (back.phases[0].name, back.phases[0].laue) == ("Fe", "m-3m")
    (tmp_path / "material.yaml").unlink()
    with pytest.raises(FileNotFoundError, match=r"material.yaml: no such file; .*--read material=FILE"):
        polyrve.read(tmp_path / "geometry.vti")


def test_text_dump_of_spparks(volume_files, tmp_path):
    z, y, x = np.unravel_index(np.arange(60), (3, 4, 5))
    rows = np.column_stack([np.arange(1, 61), volume_files.grained().grain_ids.ravel() * 7, x, y, z])
    mixed = np.random.default_rng(0).permutation(rows)
    head = "ITEM: TIMESTEP\n{}\nITEM: NUMBER OF ATOMS\n60\nITEM: BOX BOUNDS\n0 5\n0 4\n0 3\nITEM: ATOMS id type x y z\n"
    lines = "\n".join(" ".join(map(str, row)) for row in mixed)
    (tmp_path / "a.dump").write_text(f"{head.format(0)}{lines.replace(' 7 ', ' 14 ')}\n{head.format(1)}{lines}\n")
    back = quiet(polyrve.read, tmp_path / "a.dump", spacing=2.0)
    np.testing.assert_array_equal(back.properties["FeatureIds"], volume_files.grained().grain_ids * 7)
    assert back.spacing == (2.0,) * 3


@pytest.mark.parametrize("kind", ["Quaternion", "Rodrigues", "EulerZXZ"])
def test_labdct(volume_files, tmp_path, kind):
    rve = volume_files.grained(seed=3)
    mask = np.ones((3, 4, 5), dtype=np.uint8)
    mask[0, 0, 0] = 0
    volume_files.labdct(tmp_path / "a.h5", rve, kind, Mask=mask)
    with pytest.warns(UserWarning, match="what lies along x of its crystal axes"):
        back = polyrve.read(tmp_path / "a.h5")
    assert back.phase_ids[0, 0, 0] == 0
    inside = mask > 0
    np.testing.assert_allclose(
        rotation.to_matrix(back.quaternions)[inside], rotation.to_matrix(rve.field.quaternions)[inside], atol=1e-6
    )
    np.testing.assert_array_equal(back.properties["FeatureIds"], rve.grain_ids)
    assert back.properties["Completeness"].shape == (3, 4, 5)
    assert back.spacing == pytest.approx((0.5,) * 3)
    assert back.origin == pytest.approx((2.0 - 0.75, 1.0 - 1.0, -1.25))
    assert [(phase.name, phase.laue, phase.space_group) for phase in back.phases] == [
        ("Al", "m-3m", 225), ("Ti", "6/mmm", 194),
    ]  # fmt: skip


def test_3dxrd(volume_files, tmp_path):
    rve = volume_files.grained(seed=4)
    g = rotation.to_matrix(rve.field.quaternions)
    volume_files.xrd3d(tmp_path / "a.h5", rve)
    back = polyrve.read(tmp_path / "a.h5")
    np.testing.assert_allclose(rotation.to_matrix(back.quaternions).reshape(-1, 3, 3)[1:], g.reshape(-1, 3, 3)[1:],
                               atol=1e-9)  # fmt: skip
    assert back.phase_ids[0, 0, 0] == 0
    np.testing.assert_array_equal(back.properties["FeatureIds"].ravel()[1:], rve.grain_ids.ravel()[1:])
    assert back.spacing == (0.5, 1.0, 2.0)
    assert [(p.name, p.laue) for p in back.phases] == [("Al", "m-3m"), ("phase 1", "6/mmm")]


def test_a_layer_of_midas(volume_files, tmp_path):
    """Angles by the formula of MIDAS's Euler2OrientMat."""
    angles = np.array([[0.3, 0.5, 1.1], [2.0, 1.0, 0.2]])
    volume_files.midas(tmp_path / "a.mic", angles)
    back = polyrve.read(tmp_path / "a.mic", laue="m-3m")
    assert isinstance(back, OrientationMap)
    assert back.spacing == (2.0, 2.0)
    assert (back.phase_ids[0] == 0).all()
    psi, phi, theta = angles[1]
    cps, cph, cth, sps, sph, sth = *np.cos([psi, phi, theta]), *np.sin([psi, phi, theta])
    crystal_to_specimen = np.array([
        [cth * cps - sth * cph * sps, -cth * cph * sps - sth * cps, sph * sps],
        [cth * sps + sth * cph * cps, cth * cph * cps - sth * sps, -sph * cps],
        [sth * sph, cth * sph, cph],
    ])  # fmt: skip
    np.testing.assert_allclose(rotation.to_matrix(back.quaternions[2, -1]).T, crystal_to_specimen, atol=1e-9)
    np.testing.assert_allclose(
        rotation.to_matrix(back.quaternions[2, 0]), rotation.to_matrix(rotation.from_euler(angles[0])), atol=1e-9
    )


BAD = {
    "a.vti": [
        (b"hello", "expected a VTK XML file"),
        (b'<VTKFile type="PolyData"></VTKFile>', "ImageData"),
    ],
    "a.tesr": [
        (b"hello", "begins with"),
        (b"***tesr\n **format\n 2.2\n **general\n 2\n 4 4\n 1 1\n", "three dimensions; got 2"),
        (
            b"***tesr\n **format\n 2.2\n **general\n 3\n 2 1 1\n 1 1 1\n **data\n ascii\n 1\n",
            "expected 2 values|2 numbers",
        ),
        (b"***tesr\n **format\n 2.2\n **general\n 3\n 2 1 1\n 1 1 1\n **data\n ascii\n *file a.raw\n", "another one"),
    ],
    "a.sites": [
        (b"hello", "expected sites"),
        (b"1\n 8 sites\n0 2 xlo xhi\n0 2 ylo yhi\n0 3 zlo zhi\nValues\n\n1 1\n", "got 8 in"),
    ],
    "a.inp": [
        (b"hello", "keywords"),
        (b"*Node\n1, 0, 0, 0\n*Element, type=C3D4\n1, 1, 1, 1, 1\n", "C3D8"),
        (b"*Node\n1, 0, 0, 0\n*Element, type=C3D8\n1, 1, 2, 3, 4, 5, 6, 7, 8\n", "whose nodes are in the file"),
    ],
    "a.mic": [(b"1 2 3\n", "begins with")],
}


@pytest.mark.parametrize(("name", "content", "told"), [(n, c, t) for n, rows in BAD.items() for c, t in rows])
def test_bad_files_are_refused_in_one_sentence(tmp_path, name, content, told):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FormatError, match=told):
        quiet(polyrve.read, tmp_path / name)


def test_folders_are_known_by_their_files(tmp_path):
    with pytest.raises(FormatError, match=r"a folder with one of grid.vti, grainID.txt, zone.vtk; it is a folder"):
        polyrve.read(tmp_path)


def test_hexahedra_that_are_no_voxels(volume_files, tmp_path):
    meshio = pytest.importorskip("meshio")
    quiet(polyrve.write, volume_files.grained(), tmp_path / "a.vtu", format="meshio")
    mesh = meshio.read(tmp_path / "a.vtu")
    mesh.points[40] += 0.1
    mesh.write(tmp_path / "b.vtu")
    with pytest.raises(FormatError, match="voxels of one size"):
        quiet(polyrve.read, tmp_path / "b.vtu")


def test_every_volume_format_that_is_written_is_read_or_named_here():
    """The formats that hold no volume of voxels: surfaces, tetrahedra, textures."""
    written = {row.name for row in registry.FORMATS if row.writes and not row.reads}
    assert written == {"vtp", "damask-mesh", "mfem", "vpsc", "tetrahedra"}
