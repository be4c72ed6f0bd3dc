"""Maps out of a DataStructure, which is played."""

import numpy as np
import pytest

from polyrve.adapters import registry
from polyrve.adapters.volumes.dream3d_write import NOTE, NOTE_GROUP, note_of
from polyrve.crystallography import reference_frames, rotation
from polyrve.crystallography.phase import Phase
from polyrve.filters import structure
from polyrve.microstructure.fields import OrientationMap
from polyrve.microstructure.map_placement import axisymmetric, by_normal, voxel_size

PHASES = (Phase("Al", "m-3m"), Phase("Mg", "6/mmm"))


@pytest.fixture
def scan():
    rng = np.random.default_rng(0)
    q = rotation.random_orientations((6, 9), rng)
    return OrientationMap(q, rng.integers(1, 3, (6, 9)), PHASES, (0.5, 2.0))


@pytest.mark.parametrize("axis", ["x", "y"])
def test_an_axisymmetric_map_is_what_the_command_line_makes_of_it(data, map_arguments, scan, axis):
    args = map_arguments(z=scan) | {"axis": structure.AXES.index(axis)}
    expected, found = axisymmetric(scan, axis), structure.read_maps(data, args)
    assert list(found) == list(expected)
    for normal, field in expected.items():
        assert found[normal].spacing == field.spacing
        np.testing.assert_array_equal(found[normal].phase_ids, field.phase_ids)
        np.testing.assert_allclose(found[normal].quaternions, field.quaternions, rtol=0, atol=1e-7)


@pytest.mark.parametrize("axis", ["none", "x", "y"])
def test_voxel_size_at_preflight_is_that_of_the_run(data, map_arguments, scan, axis):
    args = map_arguments(z=scan) | {"axis": structure.AXES.index(axis)}
    assert structure.spacing_of_maps(data, args) == (2.0, 2.0, 2.0)
    around_it = "" if axis == "none" else f", axisymmetric about {axis}"
    assert structure.maps_text(args, structure.check_maps(data, args)) == f"normal to z: 9 x 6 points{around_it}"
    assert structure.pixels_of_maps(data, args, structure.check_maps(data, args), (2.0, 2.0, 2.0)) == [6 * 9 // 4]
    maps = structure.read_maps(data, args)
    assert voxel_size(by_normal(maps["z"] if set(maps) == {"z"} else maps)) == (2.0, 2.0, 2.0)


def test_further_maps_are_read_and_pooled(data, map_arguments, scan, tmp_path):
    more = scan.evolve(quaternions=scan.quaternions[:, ::-1], spacing=(2.0, 2.0))
    registry.write(more, tmp_path / "second.dream3d")
    args = map_arguments(z=scan, x=scan) | {"further_maps": f" z:{tmp_path / 'second.dream3d'} ;"}
    assert structure.maps_text(args, structure.check_maps(data, args)).endswith("; normal to z: second.dream3d")
    found = structure.read_maps(data, args)
    assert [field.shape for field in found["z"]] == [scan.shape, scan.shape]
    np.testing.assert_allclose(found["z"][1].quaternions, more.quaternions, rtol=0, atol=1e-6)
    assert found["x"].shape == scan.shape
    for text, message in (
        ("second.ang", "further maps: expected an axis, or all, and a file"),
        (f"y:{tmp_path / 'second.dream3d'}", "further maps: expected the normals of the other maps, xz; got y"),
        ("z:none.ang", "further maps: none.ang: no such file"),
    ):
        with pytest.raises((ValueError, FileNotFoundError), match=message):
            structure.maps_text(args | {"further_maps": text}, structure.check_maps(data, args))


@pytest.mark.parametrize("normals", ["xz", "xyz"])
def test_an_axis_is_refused_with_other_maps(data, map_arguments, scan, normals):
    args = map_arguments(**dict.fromkeys(normals, scan)) | {"axis": 1}
    with pytest.raises(ValueError, match=f"about x: expected the map normal to z alone; got {', '.join(normals)}$"):
        structure.check_maps(data, args)


def test_phases_are_left_out_and_keep_their_place(data, map_arguments, scan):
    args = map_arguments(z=scan) | {"drop_phase": " Mg, "}
    found = structure.read_maps(data, args)["z"]
    assert [phase.name for phase in found.phases] == ["Al", "Mg"]
    np.testing.assert_array_equal(found.phase_ids, np.where(scan.phase_ids == 2, 0, scan.phase_ids))
    assert structure.number_of_phases(data, args) == 2
    for names, words in (("Ti", "expected one of Al, Mg; got 'Ti'"), ("Al, Mg", "only phase")):
        with pytest.raises(ValueError, match=words):
            structure.read_maps(data, args | {"drop_phase": names})


def test_the_choice_of_an_axis_is_a_parameter(simplnx):
    parameters = simplnx.Parameters()
    structure.insert_maps(parameters)
    assert (parameters["axis"].default, parameters["axis"].choices) == (0, ["none", "x", "y"])


def test_what_polyrve_noted_beside_a_geometry_is_of_that_geometry_alone(data, map_arguments, scan, simplnx):
    """As in a .dream3d file that polyrve wrote and DREAM3D-NX reads."""
    args = map_arguments(z=scan)
    actions = simplnx.OutputActions()
    actions.append_action(simplnx.CreateDataGroupAction(simplnx.DataPath(NOTE_GROUP)))
    actions.append_action(simplnx.CreateStringArrayAction([1], simplnx.DataPath([NOTE_GROUP, NOTE])))
    assert actions.apply(data, True) == []
    turned = scan.evolve(frame=reference_frames.named("oxford-cs1"), provenance={"source": "a.ctf"})
    for geometry, text in (("z", note_of(turned, geometry="z")), ("other", note_of(turned, geometry="w")), ("z", "{")):
        data[f"{NOTE_GROUP}/{NOTE}"][0] = text
        found = structure.read_maps(data, args)["z"]
        expected = ("oxford-cs1", "a.ctf") if geometry == "z" and text != "{" else ("none", None)
        assert (found.frame.name, found.provenance.get("source")) == expected
        np.testing.assert_allclose(found.quaternions, scan.quaternions, rtol=0, atol=1e-7)
