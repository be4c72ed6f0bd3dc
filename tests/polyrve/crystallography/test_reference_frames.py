import warnings
from pathlib import Path

import numpy as np
import pytest

import polyrve
from polyrve.crystallography import reference_frames, rotation
from polyrve.crystallography.phase import Phase
from polyrve.microstructure.segmentation import segment

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="needs the data files beside the repository")

AXES = {
    "none": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "edax-1": ((0, 1, 0), (1, 0, 0), (0, 0, -1)),
    "edax-2": ((0, -1, 0), (-1, 0, 0), (0, 0, -1)),
    "edax-3": ((1, 0, 0), (0, -1, 0), (0, 0, -1)),
    "edax-4": ((-1, 0, 0), (0, 1, 0), (0, 0, -1)),
    "oxford-cs0": ((1, 0, 0), (0, -1, 0), (0, 0, -1)),
    "oxford-cs1": ((1, 0, 0), (0, -1, 0), (0, 0, -1)),
    "bruker": ((1, 0, 0), (0, -1, 0), (0, 0, -1)),
    "bruker-5": ((-1, 0, 0), (0, 1, 0), (0, 0, -1)),
}


def test_presets_have_the_axes_that_the_vendors_draw():
    assert set(AXES) == set(reference_frames.PRESETS)
    for name, axes in AXES.items():
        r = np.array(reference_frames.PRESETS[name])
        for euler_axis, in_map in zip(np.eye(3), axes, strict=True):
            np.testing.assert_allclose(rotation.rotate(r, np.array(in_map, dtype=float)), euler_axis, atol=1e-15)


@pytest.mark.parametrize("name", list(reference_frames.PRESETS))
def test_apply_turns_the_sample_frame_and_undo_turns_it_back(name):
    frame = reference_frames.named(name)
    q = rotation.random_orientations((3, 4), np.random.default_rng(0))
    in_map = frame.apply(q)
    v = np.array([0.3, -0.5, 0.8])
    np.testing.assert_allclose(
        rotation.rotate(in_map, v), rotation.rotate(q, rotation.rotate(np.array(frame.map_to_euler), v)), atol=1e-14
    )
    np.testing.assert_allclose(frame.undo(in_map), q, atol=1e-15)


def test_specimen_orientation_takes_cs1_to_cs0():
    acquisition = rotation.from_euler(np.deg2rad([30.0, 0.0, 0.0]))
    frame = reference_frames.named("oxford-cs0", specimen_orientation=acquisition)
    cs1 = rotation.rotate(np.array(reference_frames.PRESETS["oxford-cs1"]), np.array([1.0, 2.0, 3.0]))
    cs0 = rotation.rotate(np.array(frame.map_to_euler), np.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(rotation.rotate(acquisition, cs0), cs1, atol=1e-14)
    assert reference_frames.named("oxford-cs1", specimen_orientation=acquisition) == reference_frames.named(
        "oxford-cs1"
    )


def test_a_file_is_asked_before_the_default():
    stated = reference_frames.named("edax-1", "file")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert reference_frames.choose(None, stated, "edax-2", "x.ang") is stated
        assert reference_frames.choose("edax-4", stated, "edax-2", "x.ang").source == "user"
        own = reference_frames.Frame("custom", (0.0, 0.6, 0.8, 0.0), "user")
        assert reference_frames.choose(own, stated, "edax-2", "x.ang") is own
    with pytest.warns(
        reference_frames.FrameWarning, match=r"x\.ang does not say .* frame 'edax-2', the vendor's default"
    ):
        assert reference_frames.choose(None, None, "edax-2", "x.ang").source == "vendor default"


def test_unknown_names_and_wrong_rotations_are_refused():
    with pytest.raises(ValueError, match="frame: expected one of none, edax-1"):
        reference_frames.named("edax")
    with pytest.raises(ValueError, match="map_to_euler: expected a unit quaternion"):
        reference_frames.Frame("custom", (1.0, 1.0, 0.0, 0.0))


def lattice_vectors(phase, x_axis):
    """a, b, c as columns: with x || a, z || c*, or with x || a*, z || c."""
    alpha, beta, gamma = np.deg2rad(phase.lattice[3:])
    metric = np.array(
        [[1, np.cos(gamma), np.cos(beta)], [np.cos(gamma), 1, np.cos(alpha)], [np.cos(beta), np.cos(alpha), 1]]
    )
    if x_axis == "a":
        return np.linalg.cholesky(metric).T
    flipped = np.linalg.cholesky(metric[::-1, ::-1])[::-1, ::-1].T
    return flipped


@pytest.mark.parametrize(
    "phase",
    [
        Phase("hexagonal", "6/mmm", (3, 3, 5, 90, 90, 120)),
        Phase("trigonal", "-3m", (3, 3, 5, 90, 90, 120)),
        Phase("trigonal", "-3", (3, 3, 5, 90, 90, 120)),
        Phase("monoclinic", "2/m", (9, 8, 5, 90, 106, 90)),
        Phase("triclinic", "-1", (8, 12, 7, 93, 116, 91)),
        Phase("cubic", "m-3m", (3, 3, 3, 90, 90, 90)),
        Phase("orthorhombic", "mmm", (3, 4, 5, 90, 90, 90)),
    ],
)
def test_crystal_frame_keeps_the_lattice_where_it_is(phase):
    vendor, ours = lattice_vectors(phase, "a*"), lattice_vectors(phase, "a")
    np.testing.assert_allclose(vendor.T @ vendor, ours.T @ ours, atol=1e-12)
    q = rotation.random_orientations(5, np.random.default_rng(1))
    in_sample = np.einsum("nji,jk->nik", rotation.to_matrix(q), vendor)
    turned = reference_frames.crystal_frame(q, phase, "a*")
    np.testing.assert_allclose(np.einsum("nji,jk->nik", rotation.to_matrix(turned), ours), in_sample, atol=1e-12)
    np.testing.assert_allclose(reference_frames.vendor_crystal_frame(turned, phase, "a*"), q, atol=1e-14)
    np.testing.assert_array_equal(reference_frames.crystal_frame(q, phase, "a"), q)


def test_thirty_degrees_more_or_less_are_the_same_for_hexagonal_crystals_alone():
    q = rotation.random_orientations(4, np.random.default_rng(2))
    more = rotation.multiply(rotation.from_euler(np.deg2rad([0, 0, 30.0])), q)
    for laue, same in (("6/mmm", True), ("6/m", True), ("-3m", False), ("-3", False)):
        phase = Phase("x", laue, (3, 3, 5, 90, 90, 120))
        less = reference_frames.crystal_frame(q, phase, "a*")
        angle = rotation.disorientation_angle(less, more, phase.symmetry)
        assert (np.abs(angle) < 1e-6).all() == same


HEXAGONAL_TWIN = np.array(
    [
        [np.cos(np.deg2rad(30 + 60 * i)) / 2.7790, np.sin(np.deg2rad(30 + 60 * i)) / 2.7790, sign * 2 / 5.2101]
        for i in range(6)
        for sign in (1, -1)
    ]
)
CUBIC_TWIN = np.array([[1.0, 1, 1], [1, 1, -1], [1, -1, 1], [-1, 1, 1]])


def twin_traces(field, angle, tolerance, planes):
    """Angles (degrees) between straight twin boundaries in the map and the traces of the common twin plane."""
    grains = segment(field)
    planes = planes / np.linalg.norm(planes, axis=1, keepdims=True)
    boundary = {}
    for axis in (0, 1):
        ids = np.moveaxis(grains.grain_ids, axis, 0)
        first, second = ids[:-1], ids[1:]
        for row, column in np.argwhere((first != second) & (first > 0) & (second > 0)):
            at = (column, row + 0.5) if axis == 0 else (row + 0.5, column)
            boundary.setdefault(tuple(sorted((first[row, column], second[row, column]))), []).append(at)
    deviations = []
    for (one, other), points in boundary.items():
        q1, q2 = grains.quaternions[one - 1], grains.quaternions[other - 1]
        between = np.rad2deg(rotation.disorientation_angle(q1, q2, field.phases[0].symmetry))
        if len(points) < 15 or abs(between - angle) > tolerance:
            continue
        centred = np.array(points) - np.mean(points, axis=0)
        spread, directions = np.linalg.eigh(centred.T @ centred)
        normals = rotation.rotate(rotation.conjugate(q1), planes)
        agreement = np.abs(normals @ rotation.rotate(rotation.conjugate(q2), planes).T)
        normal = normals[np.unravel_index(np.argmax(agreement), agreement.shape)[0]]
        trace = np.array([-normal[1], normal[0]])
        if spread[1] < 8 * spread[0] or agreement.max() < np.cos(np.deg2rad(6)) or np.linalg.norm(trace) < 0.3:
            continue
        cosine = np.abs(trace @ directions[:, 1]) / np.linalg.norm(trace)
        deviations.append(np.rad2deg(np.arccos(min(cosine, 1.0))))
    return np.array(deviations)


@needs_data
@pytest.mark.parametrize(
    ("name", "right", "wrong", "twin"),
    [
        ("twins.ctf", "oxford-cs0", ("none", "edax-2"), (86.3, 4.0, HEXAGONAL_TWIN)),
        ("EdaxAngOnly.h5", "edax-2", ("none", "oxford-cs0"), (60.0, 3.0, CUBIC_TWIN)),
    ],
)
def test_twin_boundaries_lie_along_twin_planes_in_the_default_frame_alone(name, right, wrong, twin):
    """Nature's own check of a frame: {10-12} twins in magnesium, {111} twins in nickel."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        default = polyrve.read(DATA / name)
    assert default.frame.name == right
    deviations = twin_traces(default, *twin)
    assert len(deviations) > 20
    assert np.median(deviations) < 7.0
    for frame in wrong:
        assert np.median(twin_traces(polyrve.read(DATA / name, frame=frame), *twin)) > 35.0


@pytest.mark.parametrize(
    ("lattice", "order"),
    [((9.0, 8.0, 5.0, 90, 90, 106), (1, 2, 0)), ((9.0, 8.0, 5.0, 77, 90, 90), (2, 0, 1))],
)
def test_monoclinic_axes_named_anew_are_the_same_vectors(lattice, order):
    def edges(a, b, c, alpha, beta, gamma):
        """Rows a, b, c in the frame x || a, z || c*."""
        alpha, beta, gamma = np.deg2rad([alpha, beta, gamma])
        y = (np.cos(alpha) - np.cos(beta) * np.cos(gamma)) / np.sin(gamma)
        z = np.sqrt(1 - np.cos(beta) ** 2 - y**2)
        return np.array(
            [[a, 0, 0], [b * np.cos(gamma), b * np.sin(gamma), 0], [c * np.cos(beta), c * y, c * z]]
        )  # fmt: skip

    old = Phase("gypsum", "2/m", lattice, 15)
    new, turn = reference_frames.standard_setting(old)
    assert (new.lattice[3], new.lattice[5]) == (90, 90)
    assert (new.name, new.laue, new.space_group) == ("gypsum", "2/m", 15)
    q = rotation.random_orientations(20, np.random.default_rng(0))
    before = edges(*old.lattice) @ rotation.to_matrix(q)
    after = edges(*new.lattice) @ rotation.to_matrix(rotation.multiply(turn, q))
    np.testing.assert_allclose(after, before[:, order], atol=1e-12)


@pytest.mark.parametrize(
    ("laue", "angles"),
    [
        ("2/m", (90, 106, 90)),
        ("2/m", (90, 90, 90)),
        ("2/m", (80, 106, 90)),
        ("-3m", (90, 90, 120)),
        ("-1", (90, 90, 80)),
    ],
)
def test_other_settings_are_left_alone(laue, angles):
    phase = Phase("any", laue, (9.0, 8.0, 5.0, *angles))
    assert reference_frames.standard_setting(phase) == (phase, None)
