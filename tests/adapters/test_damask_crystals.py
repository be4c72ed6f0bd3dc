import numpy as np
import pytest

from polyrve.adapters.solvers import damask_phases
from polyrve.adapters.solvers.damask_crystals import crystal, crystals, from_yaml
from polyrve.crystallography.phase import Phase

ELASTIC = "lattice: cF\nmechanical:\n  elastic: {type: Hooke, C_11: 1e11, C_12: 6e10, C_44: 3e10}\n"


@pytest.mark.parametrize("name", sorted(set(damask_phases.LIBRARY) - {"Void"}))
def test_every_definition_is_a_crystal_that_yields(name):
    found = crystal(name)
    assert len(found.vertices) > 50
    assert np.allclose(np.einsum("nii->n", found.schmid), 0, atol=1e-12)
    assert found.absolute == (name != "Ni")


def test_families_have_their_resistances():
    magnesium = crystal("Mg")
    values, counts = np.unique(magnesium.resistance / 1e6, return_counts=True)
    assert dict(zip(values.tolist(), counts.tolist(), strict=True)) == {10: 3, 40: 6, 55: 3, 60: 18}
    assert magnesium.one_sided.sum() == 12


def test_basal_systems_slip_on_the_basal_plane():
    basal = crystal("Mg").schmid[:3]
    np.testing.assert_allclose(np.abs(basal[:, :, 2]).max(axis=1), [1.0, np.sqrt(3) / 2, np.sqrt(3) / 2], atol=1e-9)
    np.testing.assert_allclose(basal[:, :, :2], 0, atol=1e-12)


def test_elasticity_alone_is_a_crystal_that_does_not_yield():
    assert from_yaml(ELASTIC, "A").vertices.shape == (0, 6)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("a: [", "A"), ("lattice: cF\n", "mechanical"), (ELASTIC.replace("1e11", "soft"), "soft"),
        (ELASTIC.replace("C_44: 3e10", "C_45: 1"), "C_44"), ("- 1\n", "A"),
        (ELASTIC + "  plastic: {type: phenopowerlaw, N_sl: [12], xi_0_sl: [1e6, 2e6]}\n", "xi_0_sl"),
        (ELASTIC + "  plastic: {type: phenopowerlaw, N_sl: [12]}\n", "xi_0_sl"),
        (ELASTIC + "  plastic: {type: phenopowerlaw, N_sl: [12], xi_0_sl: [0]}\n", "positive"),
    ],
)  # fmt: skip
def test_bad_definitions_are_one_sentence(text, word):
    with pytest.raises(ValueError, match=word):
        from_yaml(text, "A")


def test_phases_without_a_point_need_no_definition(tmp_path):
    file = tmp_path / "own.yaml"
    file.write_text(ELASTIC, encoding="utf-8")
    phases = (Phase("Unobtainium", "m-3m"), Phase("Mine", "m-3m"))
    found = crystals(phases, [2], f"Mine={file}")
    assert np.isnan(found[0].stiffness).all()
    assert found[1].stiffness[0, 0] == 1e11
    with pytest.raises(ValueError, match="Unobtainium"):
        crystals(phases, [1, 2], f"Mine={file}")
