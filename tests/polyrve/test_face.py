"""What a user meets: descriptions, drawings, slices, tables, methods that write."""

import builtins
import dataclasses
import inspect
import io
import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import LineCollection
from PIL import Image

import polyrve
from polyrve.adapters.ipf_colors import ipf_colors
from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.microstructure import cleaning, grain_properties, segmentation
from polyrve.microstructure.fields import OrientationField, OrientationMap, OrientationVolume
from polyrve.microstructure.grains import GrainMap, GrainVolume
from polyrve.microstructure.links import DEFAULT_THRESHOLD
from polyrve.report import point_colors, thumbnails

PHASES = (Phase("Nickel"), Phase("Titanium", "6/mmm"))
SHAPE = (3, 4, 5)
STEP = (0.3, 0.4, 0.5)


def field(shape=SHAPE, **changes):
    rng = np.random.default_rng(len(shape))
    kind = OrientationVolume if len(shape) == 3 else OrientationMap
    values = {
        "quaternions": rotation.random_orientations(shape, rng),
        "phase_ids": rng.integers(0, 3, shape),
        "phases": PHASES,
        "spacing": STEP[-len(shape) :],
        "origin": (1.0, 2.0, 3.0)[-len(shape) :],
        "properties": {"CI": rng.random(shape), "pattern": rng.random((*shape, 2))},
        "provenance": {"source": "folder/made.ang"},
    }
    return kind(**{**values, **changes})


@pytest.fixture(autouse=True)
def _no_figure_is_left_open():
    yield
    plt.close("all")


def test_description_of_a_map_says_what_it_holds():
    described = repr(field((4, 5), phase_ids=np.array([[1, 1, 1, 1, 2]] * 3 + [[0, 2, 2, 2, 2]])))
    lines = described.splitlines()
    assert lines[0] == "OrientationMap: 4 x 5 points (y, x), step 0.4 x 0.5 um, extent 1.6 x 2.5 um"
    rows = [line.split() for line in lines]
    assert ["1", "Nickel", "m-3m", "12", "60.00", "%"] in rows
    assert ["2", "Titanium", "6/mmm", "7", "35.00", "%"] in rows
    assert ["-", "not", "indexed", "1", "5.00", "%"] in rows
    assert "Properties: CI, pattern" in lines
    assert "Frame: none (polyrve)" in lines
    assert "Source: made.ang" in lines


def test_description_of_grains_counts_them():
    ids = np.array([[1, 1, 2, 2, 2]] * 4)
    ids[0, 0] = 0
    whole = field((4, 5), phase_ids=np.where(ids == 1, 1, 2), spacing=(1.0, 1.0))
    described = repr(GrainMap(whole, ids, np.eye(4)[:2], np.array([1, 2])))
    assert described.startswith("GrainMap: 4 x 5 points")
    diameter = 2.0 * np.sqrt(19 / 2 / np.pi)
    assert f"Grains: 2, a mean one is {diameter:.3g} um wide; 5.00 % of the points are in none" in described
    assert ["1", "Nickel", "m-3m", "1", "7", "35.00", "%"] in [line.split() for line in described.splitlines()]


@pytest.mark.parametrize("number", [0, 1, 4, 5, 30])
def test_description_has_ten_lines_at_most(number):
    phases = tuple(Phase(f"phase {i}\x1b[31m{'x' * 100}", "m-3m") for i in range(number))
    ids = np.arange(60).reshape(SHAPE) % (number + 1)
    whole = field(
        phases=phases, phase_ids=ids, periodic=True, properties={f"p{i}\n": np.zeros(SHAPE) for i in range(40)},
        provenance={"source": "a\nb" * 100, "steps": ["one", "two\n" * 100]},
    )  # fmt: skip
    described = repr(whole)
    assert len(described.splitlines()) <= 10
    assert max(map(len, described.splitlines())) < 240
    assert "\x1b" not in described
    assert "cleaned in 2 steps" in described
    assert len(repr(whole.segment()).splitlines()) <= 10


def test_rows_of_many_phases_add_up():
    phases = tuple(Phase(f"p{i}") for i in range(7))
    ids = np.repeat(np.arange(8), [1, 2, 3, 4, 5, 20, 12, 13]).reshape(SHAPE)
    rows = [line.split() for line in repr(field(phases=phases, phase_ids=ids)).splitlines()]
    shown = [row for row in rows if row[-1] == "%"]
    assert sum(int(row[-3]) for row in shown) == 60
    assert ["...", "4", "more", "14"] == shown[-2][:4]


def test_source_of_a_reconstruction_names_its_maps():
    whole = field(provenance={"maps": {"z": {"source": "/data/b.ang"}, "x": {"source": "a.ang"}, "y": {}}})
    assert "Source: reconstructed from a.ang, b.ang" in repr(whole)


@pytest.mark.parametrize("whole", [field(), field((4, 5)), field().segment(), field((4, 5)).segment()])
def test_notebooks_get_the_description_and_a_picture(whole):
    shown = whole._repr_html_()
    assert "data:image/png;base64," in shown
    assert "<pre" in shown
    assert "Titanium" in shown


def test_names_are_escaped_in_notebooks():
    shown = field(phases=(Phase("<script>alert(1)</script>"), Phase("b")))._repr_html_()
    assert "<script>" not in shown


def test_notebooks_show_fields_without_indexed_points_too():
    assert "<img" not in field(phase_ids=np.zeros(SHAPE, dtype=int))._repr_html_()


@pytest.mark.parametrize("missing", ["matplotlib", "orix", "PIL"])
def test_notebooks_do_without_what_draws(missing):
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "import numpy as np\nfrom polyrve import OrientationMap, Phase\n"
        "scan = OrientationMap(np.tile([1.0, 0, 0, 0], (3, 4, 1)), np.ones((3, 4)), (Phase('Ni'),), (1, 1))\n"
        "shown = scan._repr_html_()\nassert '<img' not in shown and 'Ni' in shown"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_thumbnail_is_small_and_has_the_colours_of_its_points():
    whole = field((2, 500, 400), spacing=(1.0, 1.0, 2.0), phase_ids=np.ones((2, 500, 400), dtype=int))
    picture = np.asarray(Image.open(io.BytesIO(thumbnails.ipf(whole))))
    assert max(picture.shape[:2]) <= thumbnails.LARGEST
    assert abs(picture.shape[0] / picture.shape[1] - 500 / 800) < 0.02
    colors = ipf_colors(whole.quaternions[1, 0, 0], whole.phase_ids[1, 0, 0], PHASES)
    np.testing.assert_array_equal(picture[0, 0], colors)


def test_box_keeps_points_properties_and_place():
    scan = field((4, 5), periodic=True)
    part = scan[1:3, 2:]
    np.testing.assert_array_equal(part.quaternions, scan.quaternions[1:3, 2:])
    np.testing.assert_array_equal(part.properties["pattern"], scan.properties["pattern"][1:3, 2:])
    assert part.origin == (2.0 + 0.4, 3.0 + 2 * 0.5)
    assert not part.periodic
    assert part.provenance["steps"] == ["cropped from (1, 2) to (3, 5)"]
    assert scan[:].periodic
    assert isinstance(field()[1:, :, -2:], OrientationVolume)
    assert field()[1:, :, -2:].shape == (2, 4, 2)
    assert field()[-2:, :-1].shape == (2, 3, 5)
    assert scan[:, :100].shape == (4, 5)


@pytest.mark.parametrize(
    ("key", "error", "words"),
    [
        (1, TypeError, "got 1"),
        ((slice(0, 2), 3), TypeError, "got 3"),
        (..., TypeError, "Ellipsis"),
        (np.ones(3, dtype=bool), TypeError, "expected slices"),
        (slice(None, None, 2), ValueError, "got 2: coarsen"),
        (slice(None, None, -1), ValueError, "got -1"),
        (slice(2, 2), ValueError, r"got \(2, 0, 0\) to \(2, 4, 5\)"),
        ((slice(None),) * 4, ValueError, "at most 3 slices; got 4"),
        ("Iron", KeyError, "expected one of Nickel, Titanium; got 'Iron'"),
    ],
)
def test_index_refuses(key, error, words):
    with pytest.raises(error, match=words):
        field()[key]


def test_iteration_ends_with_the_sentence():
    with pytest.raises(TypeError, match="section"):
        list(field())


def test_phase_by_name_leaves_the_others_not_indexed():
    scan = field((4, 5), phases=(Phase("a"), Phase("b")))
    part = scan["b"]
    np.testing.assert_array_equal(part.indexed, scan.phase_ids == 2)
    assert part.phases == scan.phases
    assert part.provenance["steps"] == ["phases other than b not indexed"]
    both = field((4, 5), phases=(Phase("a"), Phase("a", "6/mmm")))["a"]
    np.testing.assert_array_equal(both.phase_ids, scan.phase_ids)


def test_slicing_is_that_of_orix():
    pytest.importorskip("orix")
    scan = field((6, 7), origin=(0.0, 0.0), properties={})
    for part, other in ((scan[1:4, 2:6], scan.to_orix()[1:4, 2:6]), (scan["Titanium"], scan.to_orix()["Titanium"])):
        indexed = np.asarray(part.phase_ids.ravel()) > 0
        shown = np.asarray(other.is_indexed)
        ours = part.to_orix()
        np.testing.assert_allclose(ours.rotations.data[indexed], other.rotations.data[shown], atol=1e-15)
        np.testing.assert_array_equal(ours.phase_id[indexed], other.phase_id[shown])
        np.testing.assert_allclose(ours.x[indexed], other.x[shown], atol=1e-12)


def test_section_by_name_and_in_the_middle():
    volume = field()
    for place, name in enumerate("zyx"):
        for index in (0, -1):
            one, other = volume.section(name, index), volume.section(place, index)
            np.testing.assert_array_equal(one.quaternions, other.quaternions)
    np.testing.assert_array_equal(volume.section("y").phase_ids, volume.phase_ids[:, 2])


@pytest.mark.parametrize("axis", ["w", "zy", "", 3, -1, None])
def test_section_refuses_an_axis(axis):
    with pytest.raises(ValueError, match=f"axis: .* got {axis!r}"):
        field().section(axis)


@pytest.mark.parametrize("index", [4, -5])
def test_section_refuses_a_position(index):
    with pytest.raises(IndexError, match=f"expected -4 ... 3 along y; got {index}"):
        field().section("y", index)


def test_steps_of_cleaning_are_methods():
    scan = field((6, 7))
    calls = {
        "unindex": {"minimum": {"CI": 0.5}}, "drop_phase": {"name": "Nickel"}, "remove_spikes": {"threshold": 10.0},
        "absorb_small_grains": {"min_points": 1}, "crop": {"start": (1, 2), "stop": (3, 4)},
        "coarsen": {"spacing": (0.8, 1.0)},
    }  # fmt: skip
    for name, given in calls.items():
        one, other = getattr(scan, name)(**given), getattr(cleaning, name)(scan, **given)
        np.testing.assert_array_equal(one.phase_ids, other.phase_ids)
        np.testing.assert_array_equal(one.quaternions, other.quaternions)
        assert one.provenance == other.provenance


@pytest.mark.parametrize(
    ("method", "function"),
    [
        (getattr(OrientationField, name), getattr(cleaning, name))
        for name in ("unindex", "drop_phase", "remove_spikes", "absorb_small_grains", "crop", "coarsen")
    ]
    + [(OrientationMap.segment, segmentation.segment), (OrientationVolume.segment, segmentation.segment)],
)
def test_methods_have_the_arguments_of_their_functions(method, function):
    ours, theirs = (list(inspect.signature(each).parameters.values())[1:] for each in (method, function))
    assert [(p.name, p.kind, p.default) for p in ours] == [(p.name, p.kind, p.default) for p in theirs]


def test_drawings_take_the_usual_threshold():
    for kind in (OrientationMap, OrientationVolume, GrainMap, GrainVolume):
        assert inspect.signature(kind.plot).parameters["threshold"].default == DEFAULT_THRESHOLD


def image_of(axis):
    return axis.images[0].get_array()


@pytest.mark.parametrize(("direction", "vector"), [("x", (1, 0, 0)), ("Z", (0, 0, 1)), ((1, 1, 0), (1, 1, 0))])
def test_map_is_drawn_where_its_points_are(direction, vector):
    scan = field((4, 5))
    axis = scan.plot(direction=direction)
    np.testing.assert_array_equal(image_of(axis), ipf_colors(scan.quaternions, scan.phase_ids, PHASES, vector))
    assert axis.images[0].get_extent() == pytest.approx((3.0, 5.5, 3.6, 2.0))
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("x (µm)", "y (µm)")
    assert [a.get_title() for a in axis.figure.axes[:2]] == ["Nickel", "Titanium"]


def test_property_and_phase_are_drawn():
    scan = field((4, 5))
    axis = scan.plot("CI")
    np.testing.assert_array_equal(image_of(axis), scan.properties["CI"])
    assert axis.figure.axes[1].get_ylabel() == "CI"
    axis = scan.plot("phase")
    seen = {tuple(color) for color in image_of(axis).reshape(-1, 3)}
    assert len(seen) == 3
    texts = [text.get_text() for text in axis.get_legend().get_texts()]
    assert any(text.startswith("Titanium (6/mmm)") for text in texts)
    assert any(text.startswith("not indexed") for text in texts)


def test_boundaries_lie_between_the_points_that_differ():
    q = np.broadcast_to([1.0, 0, 0, 0], (3, 4, 4)).copy()
    q[:, 2:] = rotation.from_axis_angle([0.0, 0, 1], np.deg2rad(20.0))
    scan = OrientationMap(q, np.ones((3, 4)), PHASES[:1], (0.5, 2.0), origin=(10.0, 20.0), periodic=True)
    (lines,) = [c for c in scan.plot("boundaries").collections if isinstance(c, LineCollection)]
    np.testing.assert_allclose(lines.get_array(), 20.0, atol=1e-9)
    ends = np.array(lines.get_segments())
    np.testing.assert_allclose(ends[..., 0], 24.0)
    np.testing.assert_allclose(np.sort(ends[..., 1], axis=1), 10.0 + 0.5 * np.array([[0, 1], [1, 2], [2, 3]]))
    (none,) = [c for c in scan.plot("boundaries", threshold=21.0).collections if isinstance(c, LineCollection)]
    assert len(none.get_segments()) == 0


def test_given_axes_are_drawn_into_and_no_other_figure_is_made():
    figure, axis = plt.subplots()
    assert field((4, 5)).plot("CI", ax=axis) is axis
    assert plt.get_fignums() == [figure.number]


@pytest.mark.parametrize("kind", ["ipf", "phase", "boundaries", "CI"])
def test_sections_of_a_volume_are_drawn_side_by_side(kind):
    volume = field()
    axes = volume.plot(kind, at=(0, 1, 2), direction="y")
    assert [axis.get_xlabel()[0] + axis.get_ylabel()[0] for axis in axes] == ["xy", "xz", "yz"]
    if kind == "CI":
        for axis, place in zip(axes, range(3), strict=True):
            expected = np.take(volume.properties["CI"], place, axis=place)
            np.testing.assert_array_equal(image_of(axis), expected)
        assert len({axis.images[0].get_clim() for axis in axes}) == 1
    if kind == "ipf":
        section = volume.section("x", 2)
        colors = ipf_colors(section.quaternions, section.phase_ids, PHASES, (0, 1, 0))
        np.testing.assert_array_equal(image_of(axes[2]), colors)


def test_a_layer_is_one_drawing():
    assert len(field((1, 4, 5), spacing=(1, 1, 1), origin=()).plot()) == 1


def test_quantities_of_grains_are_drawn_in_their_points():
    grains = field((4, 5)).segment()
    measured = grain_properties.measure_grains(grains)
    for kind, values in (("points", measured.points), ("aspect_ratio", measured.aspect_ratio)):
        expected = np.append(np.nan, values)[grains.grain_ids]
        np.testing.assert_array_equal(np.ma.filled(image_of(grains.plot(kind)), np.nan), expected)
    axes = field().segment().plot("grains")
    assert all(any(isinstance(c, LineCollection) for c in axis.collections) for axis in axes)
    colors = point_colors.grain_colors(np.arange(1000))
    assert len(np.unique(colors, axis=0)) > 990


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"kind": "IQ"}, "kind: expected one of ipf, phase, boundaries, CI, pattern; got 'IQ'"),
        ({"kind": "pattern"}, r"got 'pattern' of shape \(3, 4, 5, 2\)"),
        ({"direction": "w"}, "direction: .* got 'w'"),
        ({"direction": (0, 0, 0)}, r"got \(0, 0, 0\)"),
        ({"at": (0, 4, 0)}, r"at: .* within shape \(3, 4, 5\); got \(0, 4, 0\)"),
        ({"backend": "mayavi"}, "got 'mayavi'"),
        ({"backend": "cutaway", "kind": "boundaries"}, "got 'boundaries'"),
        ({"backend": "pyvista", "kind": "boundaries"}, "pyvista|got 'boundaries'"),
    ],
)
def test_drawing_refuses(given, words):
    with pytest.raises((ValueError, ModuleNotFoundError), match=words):
        field().plot(**given)


def test_three_dimensions_need_pyvista(monkeypatch):
    original = builtins.__import__

    def without(name, *arguments, **options):
        if name == "pyvista":
            raise ModuleNotFoundError(name)
        return original(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModuleNotFoundError, match="pip install pyvista"):
        field().plot(backend="pyvista")


@pytest.mark.parametrize("kind", ["ipf", "phase", "CI", "grains", "aspect_ratio"])
def test_volume_in_three_dimensions(kind):
    pytest.importorskip("pyvista", reason="needs pyvista: pip install pyvista")
    grains = field().segment()
    plotter = grains.plot(kind, backend="pyvista")
    (grid,) = [mesh for mesh in plotter.meshes if mesh.n_cells == 60]
    assert grid.bounds == pytest.approx((3.0, 5.5, 2.0, 3.6, 1.0, 1.9))
    if kind == "ipf":
        colors = ipf_colors(grains.field.quaternions, grains.field.phase_ids, PHASES).reshape(-1, 3)
        np.testing.assert_array_equal(grid.cell_data.active_scalars, colors)
    plotter.close()


@pytest.mark.parametrize("shape", [(6, 7), (5, 6, 7)])
def test_table_of_grains_is_what_is_measured(shape):
    grains = polyrve.segment(field(shape), 20.0)
    table = grains.to_dataframe()
    measured = grain_properties.measure_grains(grains)
    assert table.index.tolist() == list(range(1, grains.number_of_grains + 1))
    assert table.phase.tolist() == [PHASES[i - 1].name for i in grains.phase_ids]
    d = len(shape)
    for name, values in {
        "points": measured.points, f"size_um{d}": measured.size, "aspect_ratio": measured.aspect_ratio,
        "equivalent_diameter_um": measured.equivalent_diameter, "neighbours": measured.number_of_neighbours,
        "orientation_spread_deg": measured.orientation_spread, "touches_border": measured.touches_border,
    }.items():  # fmt: skip
        np.testing.assert_array_equal(table[name], values)
    for place, name in enumerate("xyz"[:d]):
        np.testing.assert_array_equal(table[f"{name}_um"], measured.centroid[:, d - 1 - place])
    assert ("z_um" in table) == (d == 3)
    q = rotation.from_euler(np.deg2rad(table[["phi1_deg", "Phi_deg", "phi2_deg"]].to_numpy()))
    np.testing.assert_allclose(np.abs(np.sum(q * grains.quaternions, axis=1)), 1.0, atol=1e-12)


def test_table_of_no_grains_is_empty():
    empty = field((4, 5), phase_ids=np.zeros((4, 5), dtype=int)).segment()
    assert empty.to_dataframe().shape[0] == 0
    assert "Grains: none" in repr(empty)


def test_methods_write_what_the_function_writes(tmp_path):
    volume = field(phase_ids=np.ones(SHAPE, dtype=int), properties={})
    for data in (volume, volume.segment()):
        data.write(tmp_path / "a.vti", force=True)
        polyrve.write(data, tmp_path / "b.vti", force=True)
        assert (tmp_path / "a.vti").read_bytes() == (tmp_path / "b.vti").read_bytes()
    with pytest.raises(FileExistsError, match=r"a\.vti"):
        volume.write(tmp_path / "a.vti")


def test_fields_stay_as_they_were():
    assert {f.name for f in dataclasses.fields(OrientationMap)} == {
        "quaternions", "phase_ids", "phases", "spacing", "origin", "frame", "periodic", "properties", "provenance",
    }  # fmt: skip


def test_nothing_is_drawn_before_it_is_asked_for():
    code = (
        "import sys, numpy as np\nfrom polyrve import OrientationMap, Phase\n"
        "scan = OrientationMap(np.tile([1.0, 0, 0, 0], (3, 4, 1)), np.ones((3, 4)), (Phase('Ni'),), (1, 1))\n"
        "repr(scan), repr(scan[1:]), repr(scan.segment())\n"
        "print([m for m in ('matplotlib', 'orix', 'pandas', 'tensorflow', 'jinja2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("kind", ["ipf", "phase", "boundaries"])
def test_fields_without_a_phase_are_drawn(kind):
    empty = field((4, 5), phases=(), phase_ids=np.zeros((4, 5), dtype=int))
    assert image_of(empty.plot(kind)).shape == (4, 5, 3)
    assert "not indexed" in repr(empty)


def test_the_namespace_is_shown_and_every_name_is_there():
    names = {
        "Checkpoint", "Ensemble", "GrainMap", "GrainVolume", "OrientationMap", "OrientationVolume", "Phase",
        "Reconstruction", "ReconstructionSettings", "TargetSet", "Validation", "axisymmetric", "data",
        "make_specimen", "measure_targets", "read", "read_grains", "read_map", "read_volume", "reconstruct",
        "reconstruct_many", "segment", "simulate_scan", "validate", "write", "write_report",
    }  # fmt: skip
    assert names <= set(dir(polyrve))
    for name in dir(polyrve):
        assert getattr(polyrve, name) is not None
