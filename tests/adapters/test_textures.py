"""Texture files: written as VPSC and MTEX write them, and read."""

import numpy as np
import pytest

from polyrve.adapters import registry, textures
from polyrve.adapters.registry import FormatError
from polyrve.crystallography import rotation
from polyrve.crystallography.harmonics import degrees_up_to, symmetrized_harmonics
from polyrve.crystallography.phase import Phase
from polyrve.crystallography.texture import Component, texture_coefficients
from polyrve.microstructure.fields import OrientationVolume
from polyrve.microstructure.grains import GrainVolume

ALUMINIUM = Phase("Al", "m-3m")
VPSC = """TEXTURE AT STRAIN =    0.0000
   1.000   1.000   1.000   DEF. GRADIENT AXES (ORDERED)
   0.000   0.000   0.000   DEF. GRADIENT EULER ANGLES
B   3   0
  10.0  20.0  30.0  0.25  1.0
  40.0  50.0  60.0  0.5   1.0
 350.0  90.0   0.0  0.25  1.0
"""


def grid(ends, step, middle=False, top=180.0):
    ranges = [np.arange(step / 2 * middle, end + 1e-9 - step * middle / 2, step) for end in (ends, top, ends)]
    return np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, 3)


def mtex(path, angles, values, crystal="m-3m", specimen="1"):
    head = f'% MTEX ODF\n% crystal symmetry: "{crystal}"\n% specimen symmetry: "{specimen}"\n'
    np.savetxt(
        path, np.column_stack([angles, values]), "%3.5f", header="% phi1    Phi     phi2    value", comments=head
    )


def coefficients(found, laue="m-3m", highest=12):
    return texture_coefficients(found, symmetrized_harmonics(laue, degrees_up_to(laue, highest)))


def test_vpsc_texture(tmp_path):
    (tmp_path / "a.tex").write_text(VPSC)
    found = textures.read_texture(tmp_path / "a.tex", ALUMINIUM)
    np.testing.assert_allclose(found.weights, [0.25, 0.5, 0.25])
    expected = np.deg2rad([[10.0, 20.0, 30.0], [40.0, 50.0, 60.0], [350.0, 90.0, 0.0]])
    np.testing.assert_allclose(rotation.to_matrix(found.quaternions), rotation.to_matrix(rotation.from_euler(expected)))


def test_last_of_several_vpsc_textures(tmp_path):
    (tmp_path / "a.tex").write_text(VPSC + VPSC.replace("0.0000", "0.1000").replace("10.0  20.0", "15.0  20.0"))
    with pytest.warns(UserWarning, match="2 textures"):
        found = textures.read_texture(tmp_path / "a.tex", ALUMINIUM)
    assert np.rad2deg(rotation.to_euler(found.quaternions[0]))[0] == pytest.approx(15.0)


@pytest.mark.parametrize("text", ["{}\n", "title\nEvm F11\n\n{}\n", "% phi1 Phi phi2 w\n{}\n"])
@pytest.mark.parametrize("separator", [" ", ",", ";  "])
def test_columns_with_and_without_a_header(tmp_path, text, separator):
    rows = "\n".join(separator.join(row) for row in (("10", "20", "30", "1"), ("40.5", "5e1", "60", "3")))
    (tmp_path / "a.wtd").write_text(text.format(rows))
    found = textures.read_texture(tmp_path / "a.wtd", ALUMINIUM)
    np.testing.assert_allclose(found.weights, [0.25, 0.75])
    np.testing.assert_allclose(np.rad2deg(rotation.to_euler(found.quaternions[1])), [40.5, 50.0, 60.0])


@pytest.mark.parametrize(("angles", "specimen"), [
    (grid(360.0, 10.0), "1"), (grid(360.0, 10.0, middle=True), "1"), (grid(90.0, 5.0, top=90.0), "mmm"),
    (grid(90.0, 5.0, middle=True, top=90.0), "mmm"),
])  # fmt: skip
def test_a_uniform_odf_on_a_grid_of_euler_angles_has_no_texture(tmp_path, angles, specimen):
    """The volume of the parts of Euler space: without it the coefficients are some 0.1."""
    mtex(tmp_path / "odf.txt", angles, np.ones(len(angles)), specimen=specimen)
    found = coefficients(textures.read_texture(tmp_path / "odf.txt", ALUMINIUM))
    assert np.abs(found).max() < 0.02


def test_odf_of_a_component(tmp_path):
    component = Component((30.0, 50.0, 20.0), 1.0, 15.0)
    angles = grid(355.0, 5.0)
    away = rotation.multiply(
        rotation.from_euler(np.deg2rad(angles)), rotation.conjugate(rotation.from_euler(np.deg2rad(component.bunge)))
    )
    omega = np.maximum(2 * np.arccos(np.clip(np.abs(away[:, 0]), 0, 1)), 1e-9)
    mtex(
        tmp_path / "odf.txt",
        angles,
        500 * np.exp(-0.5 * (omega / np.deg2rad(15.0)) ** 2) * (omega / 2 / np.sin(omega / 2)) ** 2,
    )
    found = coefficients(textures.read_texture(tmp_path / "odf.txt", ALUMINIUM))
    np.testing.assert_allclose(found, coefficients([component]), atol=0.01 * np.abs(found).max())


def test_hexagonal_axes_of_mtex_are_turned(tmp_path):
    angles = grid(350.0, 10.0)
    values = np.exp(-((angles[:, 2] - 100.0) ** 2) / 200.0)
    magnesium = Phase("Mg", "6/mmm", (3.2, 3.2, 5.2, 90, 90, 120))
    mtex(tmp_path / "a.txt", angles, values, crystal="6/mmm, X||a*, Y||b, Z||c")
    mtex(tmp_path / "b.txt", angles, values, crystal="6/mmm, X||a, Y||b*, Z||c")
    turned, kept = (textures.read_texture(tmp_path / name, magnesium) for name in ("a.txt", "b.txt"))
    difference = np.rad2deg(rotation.to_euler(turned.quaternions) - rotation.to_euler(kept.quaternions))
    apart = difference[~np.isclose(difference[:, 2], 0.0)][:, 2] % 360
    assert np.isclose(apart, 330.0).mean() > 0.8


@pytest.mark.parametrize(("text", "told"), [
    ("", "there are none"),
    ("hello\n", "there are none"),
    (VPSC.replace("B   3", "R   3"), "Bunge angles"),
    (VPSC.replace("B   3", "B   9"), "expected 9 orientations; got 3"),
    (VPSC.replace("50.0", "fifty"), "line 6"),
    (VPSC.replace("0.5 ", "-0.5 "), "below zero"),
    (VPSC.replace("0.5 ", "nan "), "finite"),
    ("0.1 0.2 0.3 1\n0.2 0.3 0.4 1\n", "degrees; the largest is 0.4"),
    ("10 20 30 1\n10 20\n", "line 2"),
    ("% MTEX ODF\n% alpha beta gamma value\n1 2 3 4\n", "Bunge"),
])  # fmt: skip
def test_damaged_files(tmp_path, text, told):
    (tmp_path / "a.tex").write_text(text)
    with pytest.raises(FormatError, match=told):
        textures.read_texture(tmp_path / "a.tex", ALUMINIUM)


@pytest.mark.parametrize(("options", "values", "told"), [
    ({"crystal": "6/mmm"}, 1.0, "expected crystal symmetry m-3m; the file has 6/mmm"),
    ({"specimen": "4/m"}, 1.0, "specimen symmetry"),
    ({}, -0.25, "below zero; its lowest value is -0.25"),
])  # fmt: skip
def test_damaged_files_of_mtex(tmp_path, options, values, told):
    angles = grid(360.0, 30.0)
    mtex(tmp_path / "a.txt", angles, np.full(len(angles), values), **options)
    with pytest.raises(FormatError, match=told):
        textures.read_texture(tmp_path / "a.txt", ALUMINIUM)


def test_vpsc_out_has_volumes_as_weights(tmp_path):
    ids = np.ones((2, 3, 4), dtype=int)
    ids[0, 0, :3], ids[1] = 2, 3
    q = rotation.random_orientations(3, np.random.default_rng(0))
    phases = np.array([1, 1, 2])
    field = OrientationVolume(q[ids - 1], phases[ids - 1], (ALUMINIUM, Phase("Mg", "6/mmm")), (1.0, 1.0, 1.0))
    grains = GrainVolume(field, ids, q, phases)
    with pytest.raises(ValueError, match="phase: expected one of Al, Mg"):
        registry.write(grains, tmp_path / "a.tex")
    registry.write(grains, tmp_path / "a.tex", phase="Al")
    lines = (tmp_path / "a.tex").read_text().splitlines()
    assert lines[3].split() == ["B", "2"]
    found = textures.read_texture(tmp_path / "a.tex", ALUMINIUM)
    np.testing.assert_allclose(found.weights, [0.75, 0.25], rtol=1e-7)
    expected = rotation.to_matrix(q[:2])
    np.testing.assert_allclose(rotation.to_matrix(found.quaternions), expected, atol=1e-5)
