import numpy as np
import pytest

from polyrve.crystallography.harmonics import degrees_up_to, symmetrized_harmonics
from polyrve.crystallography.phase import Phase
from polyrve.crystallography.texture import TEXTURES, texture_coefficients
from polyrve.microstructure.generation import generate


@pytest.fixture(scope="module")
def made():
    return generate(150, size_lognormal=(1.5, 0.3), aspect=(1.0, 1.0, 2.0), shape=(44, 36, 36), texture="weak", seed=2)


def test_sizes_are_those_asked_for(made):
    table = made.grains.to_dataframe()
    logarithms = np.log(table.equivalent_diameter_um)
    assert len(table) == 150
    assert logarithms.mean() == pytest.approx(1.5, abs=0.02)
    assert logarithms.std() == pytest.approx(0.3, abs=0.03)
    assert made.found == pytest.approx((logarithms.mean(), logarithms.std(ddof=0)))
    assert made.size_distance < 0.06


def test_grains_are_long_along_z(made):
    extent = [1.0 / np.mean(np.diff(made.grains.grain_ids, axis=axis) != 0) for axis in range(3)]
    assert extent[0] / extent[2] == pytest.approx(2.0, rel=0.15)
    assert extent[1] / extent[2] == pytest.approx(1.0, rel=0.15)


def test_texture_of_the_voxels_is_exact(made):
    harmonics = symmetrized_harmonics("m-3m", degrees_up_to("m-3m", made.texture.exact_degree))
    assert made.texture.exact_degree >= 12
    found = harmonics.evaluate(made.grains.field.quaternions.reshape(-1, 4)).mean(axis=1)
    np.testing.assert_allclose(found, texture_coefficients(TEXTURES["weak"], harmonics), atol=1e-8)


def test_a_seed_gives_the_same_volume_again():
    options = {"size_lognormal": (1.0, 0.2), "shape": (16, 18, 20), "phase": Phase("Mg", "6/mmm"), "texture": "basal"}
    first, again, other = (generate(40, seed=seed, **options).grains for seed in (1, 1, 2))
    assert (first.field.quaternions == again.field.quaternions).all()
    assert not (first.grain_ids == other.grain_ids).all()
    assert first.field.periodic


@pytest.mark.parametrize(("options", "told"), [
    ({"number": 0}, "number: expected 1 or more"),
    ({"size_lognormal": (1.0, -0.1)}, "size_lognormal"),
    ({"aspect": (1.0, 0.0, 1.0)}, "aspect"),
    ({"shape": (10, 10)}, "shape: expected three"),
    ({"shape": (8, 8, 8)}, "voxels of which 4 or more"),
    ({"number": 2, "shape": (16, 16, 16)}, "two grains wide"),
    ({"texture": "nothing"}, "texture: expected one of"),
])  # fmt: skip
def test_what_cannot_be_made(options, told):
    with pytest.raises(ValueError, match=told):
        generate(**{"number": 100, "shape": (32, 32, 32), **options})


def test_grains_without_a_voxel_are_told():
    with pytest.warns(UserWarning, match="are left out: choose more voxels"):
        made = generate(60, size_lognormal=(1.0, 0.9), shape=(20, 20, 20))
    assert made.grains.number_of_grains < 60
