"""The picture of a volume in three dimensions, against rays that walk through the voxels step by step."""

import io

import numpy as np
import pytest
from PIL import Image

from polyrve.microstructure.synthetic import make_specimen
from polyrve.report import cutaway

SPACING = (1.5, 1.0, 0.8)
SHAPE = (3, 4, 5)


def walked(colors, cut, width):
    """Which voxel each pixel's middle ray meets first: small steps from the viewer into the block."""
    towards = np.array([0.7, 1.5, -1.1]) / np.linalg.norm([0.7, 1.5, -1.1])
    right = np.cross(-towards, [0, 0, -1])
    right /= np.linalg.norm(right)
    up = np.cross(right, -towards)
    size = np.array(SHAPE[::-1]) * SPACING[::-1]
    corners = np.array([[x, y, z] for x in (0, size[0]) for y in (0, size[1]) for z in (0, size[2])])
    height = cutaway.render(colors, SPACING, cut=cut, width=width).shape[0]
    step = np.ptp(corners @ right) / (width - 2)
    columns = (corners @ right).min() + (np.arange(width) - 0.5) * step
    rows = (corners @ up).max() - (np.arange(height) - 0.5) * step
    points = columns[None, :, None] * right + rows[:, None, None] * up
    found = np.full((height, width, 3), -1)
    for t in np.arange(12.0, -12.0, -0.004):
        at = points + t * towards
        inside = ((at > 0) & (at < size)).all(axis=-1)
        if cut == "corner":
            inside &= ~((at[..., 0] > size[0] / 2) & (at[..., 1] > size[1] / 2) & (at[..., 2] < size[2] / 2))
        elif cut is not None:
            u = at / size
            inside &= u[..., 0] + u[..., 1] - u[..., 2] <= 2.0 - 3.0 * cut
        new = inside & (found[..., 0] < 0)
        found[new] = (at[new] / SPACING[::-1]).astype(int)[:, ::-1]
    return found


@pytest.mark.parametrize("cut", [None, "corner", 0.4])
def test_first_voxel_along_each_ray(cut):
    indices = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
    colors = (indices * 40 + 60).astype(np.uint8)
    picture = cutaway.render(colors, SPACING, cut=cut, width=40)
    found = walked(colors, cut, 40)
    # Colours of one voxel are darkened by one number per face, so that their ratios are the voxel's.
    whole = (picture[..., 3] == 255) & (found[..., 0] >= 0)
    for axis in (0, 1):
        for shift in (-1, 1):
            whole &= (np.roll(found, shift, axis) == found).all(axis=-1)
    assert whole.sum() > 300
    color = picture[..., :3].astype(float)
    expected = np.where(found >= 0, found * 40.0 + 60.0, 1.0)
    alike = np.abs(color / color.sum(-1, keepdims=True).clip(1) - expected / expected.sum(-1, keepdims=True)) < 0.012
    assert alike.all(axis=-1)[whole].mean() > 0.99
    assert ((picture[..., 3] == 0) == (found[..., 0] < 0))[picture[..., 3] % 255 == 0].mean() > 0.99


def test_top_is_the_map_and_front_is_the_last_row():
    colors = np.zeros((4, 5, 6, 3), dtype=np.uint8)
    colors[0, :, :, 0] = 255
    colors[:, -1, :, 1] = 255
    colors[:, :, -1, 2] = 255
    picture = cutaway.render(colors, (1.0, 1.0, 1.0), cut=None, width=90)
    hue = picture[..., :3].argmax(axis=-1)
    rows, columns = np.nonzero(picture[..., 3] == 255)
    mean = {channel: (rows[hue[rows, columns] == channel].mean(), columns[hue[rows, columns] == channel].mean())
            for channel in range(3)}  # fmt: skip
    assert mean[0][0] < mean[1][0]
    assert mean[1][1] < mean[2][1]


@pytest.mark.parametrize("cut", ["edge", 1.2, -0.1])
def test_cut_is_refused(cut):
    with pytest.raises(ValueError, match="cut: expected 'corner'"):
        cutaway.render(np.zeros((2, 2, 2, 3), dtype=np.uint8), (1.0, 1.0, 1.0), cut=cut)


def test_volumes():
    grains = make_specimen((6, 7, 8), grain_size=3.0, seed=1)
    axis = grains.plot(backend="cutaway")
    assert axis.images[0].get_array().shape[1:] == (480, 4)
    picture = Image.open(io.BytesIO(cutaway.png(grains, width=120)))
    assert picture.size[0] == 120
    assert len(np.unique(np.array(picture).reshape(-1, 4), axis=0)) > 50
    layer = make_specimen((1, 7, 8), grain_size=3.0, seed=1)
    with pytest.raises(ValueError, match="at least two voxels"):
        layer.plot(backend="cutaway")
