from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.report import plots
from polyrve.report.frame_check import check_drawing, draw_check
from polyrve.validation.stacks import stack_of

PHASES = (
    Phase("Magnesium", "6/mmm", (3.2, 3.2, 5.2, 90, 90, 120)),
    Phase("Nickel", "m-3m", (3.5, 3.5, 3.5, 90, 90, 90)),
)


def scan(shape):
    phase_ids = np.ones(shape, int)
    phase_ids[..., shape[-1] // 2 :] = 2
    phase_ids[..., 0, 0] = 0
    q = np.empty((*shape, 4))
    q[...] = rotation.from_euler(np.deg2rad([10.0, 40.0, 20.0]))
    q[..., shape[-1] // 2 :, :] = rotation.from_euler(np.deg2rad([70.0, 10.0, 5.0]))
    kind = OrientationMap if len(shape) == 2 else OrientationVolume
    return kind(q, phase_ids, PHASES, (0.5, 0.25, 0.5)[-len(shape) :])


@pytest.mark.parametrize("shape", [(12, 16), (3, 12, 16)])
def test_draws_maps_shapes_and_pole_figures(tmp_path: Path, shape):
    path = tmp_path / "check.png"
    draw_check(scan(shape), path)
    image = imread(path)
    assert image.shape[0] > 400
    assert image.shape[1] > 1200
    upper, lower = image[: image.shape[0] // 2, :, :3], image[image.shape[0] // 2 :, :, :3]
    for half in (upper, lower):
        assert len(np.unique((half * 255).astype(np.uint8).reshape(-1, 3), axis=0)) > 50
    with pytest.raises(FileExistsError):
        draw_check(scan(shape), path)
    draw_check(scan(shape), path, force=True)


def brightest(axis):
    """Place of the highest density of a pole figure, in its own coordinates, and whether y runs down there."""
    (image,) = axis.images
    density = np.asarray(image.get_array())
    row, column = np.unravel_index(density.argmax(), density.shape)
    left, right, bottom, top = image.get_extent()
    x = left + (column + 0.5) / density.shape[1] * (right - left)
    y = top + (row + 0.5) / density.shape[0] * (bottom - top)
    low, high = axis.get_ylim()
    return x, y, low > high


def test_both_drawings_put_a_pole_on_the_side_where_the_map_shows_it(monkeypatch):
    c = np.array([0.6, 0.3, -np.sqrt(1.0 - 0.45)])
    axis = np.cross(c, [0.0, 0.0, 1.0])
    q = rotation.from_axis_angle(axis / np.linalg.norm(axis), np.arccos(c[2]))
    q = min((q, rotation.conjugate(q)), key=lambda q: np.abs(rotation.rotate(q, c) - [0, 0, 1]).max())
    np.testing.assert_allclose(rotation.rotate(q, c), [0.0, 0.0, 1.0], atol=1e-12)
    field = OrientationMap(np.broadcast_to(q, (6, 7, 4)), np.ones((6, 7), int), PHASES[:1], (1.0, 1.0))
    drawn = []
    monkeypatch.setattr(plots, "png", lambda drawing: drawn.append(drawing) or b"")
    plots.pole_figures([("map", stack_of(field, 5.0)), ("RVE", stack_of(field, 5.0))], 1)
    report = drawn[0].axes[0]
    check = next(axis for axis in check_drawing(field).axes if axis.get_title() == "{0001}")
    for figure in (report, check):
        assert figure.get_xlim()[0] < figure.get_xlim()[1]
        x, y, down = brightest(figure)
        assert down
        np.testing.assert_allclose([x, y], c[:2] / (1.0 - c[2]), atol=0.02)


def test_the_phases_with_most_points_are_named_and_have_a_key():
    field = scan((3, 12, 16))
    ids = np.array(field.phase_ids)
    ids[0, :3] = 3
    field = field.evolve(phase_ids=ids, phases=(*PHASES, Phase("Oxide", "m-3m")))
    drawing = check_drawing(field)
    titles = [part.get_suptitle() for part in drawing.subfigs[1:]]
    count = np.bincount(ids.ravel())
    first, second = PHASES if count[1] > count[2] else PHASES[::-1]
    assert titles[0].startswith(f"{first.name} ({first.laue}), {max(count[1:3])} points, ")
    assert titles[1].startswith(f"{second.name} ({second.laue}), {min(count[1:3])} points, ")
    assert all("hemisphere towards the viewer (-z)" in title for title in titles)
    assert [axis.get_title() for axis in drawing.axes].count("IPF key") == len(titles) == 2


def test_nothing_indexed(tmp_path: Path):
    field = scan((4, 5))
    with pytest.raises(ValueError, match="expected indexed points; got none"):
        draw_check(field.evolve(phase_ids=np.zeros((4, 5), int)), tmp_path / "check.png")
    assert not list(tmp_path.iterdir())
