from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from polyrve import rotation
from polyrve.crystal import Phase
from polyrve.orientation import OrientationMap, OrientationVolume
from polyrve.reporting.check import draw_check

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


def test_nothing_indexed(tmp_path: Path):
    field = scan((4, 5))
    with pytest.raises(ValueError, match="expected indexed points; got none"):
        draw_check(field.evolve(phase_ids=np.zeros((4, 5), int)), tmp_path / "check.png")
    assert not list(tmp_path.iterdir())
