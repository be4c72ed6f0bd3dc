import os
import re
import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import yaml

import polyrve
from polyrve.adapters.solvers import damask as adapter
from polyrve.adapters.solvers import damask_phases
from polyrve.adapters.solvers.loads import load_of
from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.microstructure.fields import OrientationVolume

PHASES = {"Mg (alpha)": "Mg"}
LAUE = {"cF": "m-3m", "cI": "m-3m", "hP": "6/mmm", "tI": "4/mmm"}


def load(folder):
    damask = pytest.importorskip("damask")
    grid = damask.GeomGrid.load(folder / "grid.vti")
    config = damask.ConfigMaterial.load(folder / "material.yaml")
    return grid, config


@pytest.mark.parametrize("by", ["grain", "voxel"])
@pytest.mark.parametrize("compress", [True, False])
def test_damask_loads_what_was_meant(tmp_path, two_phase_grains, by, compress):
    adapter.write(two_phase_grains, tmp_path / "job", by=by, phase=PHASES, compress=compress)
    grid, config = load(tmp_path / "job")
    assert sorted(os.listdir(tmp_path / "job")) == ["grid.vti", "load.yaml", "material.yaml", "numerics.yaml"]
    np.testing.assert_allclose(grid.size, np.array([5.5, 1.4, 2.1]) * 1e-6, rtol=1e-12)
    np.testing.assert_allclose(grid.origin, np.array([3.1, -2.0, 1.0]) * 1e-6, rtol=1e-12)
    assert grid.material.min() == 0
    assert grid.material.max() == len(config["material"]) - 1
    assert config.is_complete
    assert config.is_valid
    ids = grid.material.T
    if by == "grain":
        np.testing.assert_array_equal(ids, two_phase_grains.grain_ids - 1)
        meant, phases = two_phase_grains.quaternions, two_phase_grains.phase_ids
    else:
        meant, phases = two_phase_grains.field.quaternions.reshape(-1, 4), two_phase_grains.field.phase_ids.ravel()
    damask = pytest.importorskip("damask")
    stored = np.array([m["constituents"][0]["O"] for m in config["material"]])
    assert np.abs(np.linalg.norm(stored, axis=1) - 1).max() < 1e-14
    np.testing.assert_allclose(damask.Rotation(stored).as_matrix(), rotation.to_matrix(meant), atol=4e-16 * 8)
    names = [m["constituents"][0]["phase"] for m in config["material"]]
    assert names == [("Al", "Mg_alpha")[i - 1] for i in phases]
    assert all(m["constituents"][0]["v"] == 1.0 and m["homogenization"] == "SX" for m in config["material"])


def test_bunge_angles_in_damask(tmp_path, two_phase_grains):
    damask = pytest.importorskip("damask")
    adapter.write(two_phase_grains, tmp_path / "job", phase=PHASES)
    _, config = load(tmp_path / "job")
    for q, m in zip(two_phase_grains.quaternions, config["material"], strict=True):
        expected = damask.Rotation.from_Euler_angles(rotation.to_euler(q)).as_matrix()
        np.testing.assert_allclose(damask.Rotation(m["constituents"][0]["O"]).as_matrix(), expected, atol=1e-14)


def test_loads_identically_to_what_damask_writes(tmp_path, two_phase_grains):
    damask = pytest.importorskip("damask")
    adapter.write(two_phase_grains, tmp_path / "job", by="voxel", phase=PHASES)
    _, config = load(tmp_path / "job")
    config.save(tmp_path / "again.yaml")
    again = damask.ConfigMaterial.load(tmp_path / "again.yaml")
    for a, b in zip(config["material"], again["material"], strict=True):
        assert np.array_equal(a["constituents"][0]["O"], b["constituents"][0]["O"])


@pytest.mark.parametrize("compress", [True, False])
def test_grid_is_what_the_line_based_reader_asks_for(tmp_path, two_phase_grains, compress):
    adapter.write(two_phase_grains, tmp_path / "job", phase=PHASES, compress=compress)
    lines = (tmp_path / "job/grid.vti").read_text().splitlines()
    [at] = [i for i, line in enumerate(lines) if "<DataArray" in line]
    assert 'type="Int32" Name="material"' in lines[at]
    assert 'format="binary"' in lines[at]
    assert re.fullmatch(r"[A-Za-z0-9+/]+={0,2}(?:[A-Za-z0-9+/]+={0,2})?", lines[at + 1])
    assert lines[at + 2].strip() == "</DataArray>"
    text = "\n".join(lines)
    assert 'byte_order="LittleEndian" header_type="UInt64"' in text
    assert 'WholeExtent="0 5 0 4 0 3"' in text
    assert 'Direction="1 0 0 0 1 0 0 0 1"' in text
    assert ("vtkZLibDataCompressor" in text) == compress


@pytest.mark.parametrize("case", adapter.LOAD_CASES)
def test_load_cases(case):
    damask = pytest.importorskip("damask")
    text = adapter.load_case(load_of(case))
    document = damask.YAML(text)
    assert document["solver"] == {"mechanical": "spectral_basic"}
    prescribed = []
    for step in document["loadstep"]:
        mechanical = step["boundary_conditions"]["mechanical"]
        assert set(mechanical) == {"dot_F", "P"}
        rate, stress = (np.array(mechanical[key], dtype=object) for key in ("dot_F", "P"))
        given, free = rate != "x", stress != "x"
        assert (given ^ free).all(), "the masks must be complements"
        assert not (free & free.T & ~np.eye(3, dtype=bool)).any(), "a pair of shear components free"
        assert isinstance(step["discretization"]["N"], int)
        assert isinstance(step["f_out"], int)
        prescribed.append(np.where(given, rate, 0).astype(float) * step["discretization"]["t"])
    total = np.sum(prescribed, axis=0)
    _, strain, _, _ = adapter.LOAD_CASES[case]
    expected = {
        "tension": ((0, 0), strain), "compression": ((0, 0), -strain), "shear": ((0, 1), strain),
        "plane-strain": ((0, 0), strain), "rolling": ((2, 2), -strain), "cyclic": ((0, 0), strain),
        "biaxial": ((1, 1), strain / np.sqrt(2.0)),
    }[case]  # fmt: skip
    assert total[expected[0]] == pytest.approx(expected[1])
    assert np.count_nonzero(np.abs(total) > 1e-12) == (2 if case == "biaxial" else 1)
    if case == "cyclic":
        reached = np.cumsum([p[0, 0] for p in prescribed])
        assert len(reached) == 6
        assert reached[1::2] == pytest.approx([strain, -strain, strain])


def strains(text):
    """Strains of the increments of a load along one axis, and whether each is stored, as DAMASK_grid takes them.

    DAMASK_grid.f90: an increment of a step lasts t (r**(i - 1) - r**i) / (1 - r**N), or t / N where r is 1.
    """
    widths, stored = [], []
    for step in damask_yaml(text)["loadstep"]:
        part = step["discretization"]
        n, r = part["N"], part.get("r", 1.0)
        share = np.full(n, 1.0 / n) if r == 1.0 else r ** np.arange(n) * (1.0 - r) / (1.0 - r**n)
        widths += (part["t"] * share * 1e-3).tolist()
        stored += [(i + 1) % step["f_out"] == 0 for i in range(n)]
    return np.cumsum(widths), np.array(stored)


def damask_yaml(text):
    return pytest.importorskip("damask").YAML(text)


@pytest.mark.parametrize(("case", "strain", "increments"), [
    ("tension", 0.05, 100), ("rolling", 0.2, 200), ("tension", 0.01, 20), ("shear", 0.3, 50), ("tension", 0.01, 8),
])  # fmt: skip
def test_a_load_begins_with_fine_increments_that_are_all_stored(case, strain, increments):
    reached, stored = strains(adapter.load_case(load_of(case, strain=strain, increments=increments)))
    assert len(reached) == increments
    assert reached[-1] == pytest.approx(strain)
    assert reached[0] == pytest.approx(1e-5, rel=1e-4)
    fine = max(increments // 10, min(5, increments // 2))
    assert stored[:fine].all()
    assert min(9, increments - fine) <= stored[fine:].sum() <= 20
    widths = np.diff(reached, prepend=0.0)
    assert (np.diff(widths[:fine]) > 0).all()
    assert widths[fine - 1] == pytest.approx(strain / increments, rel=1e-4)
    np.testing.assert_allclose(widths[fine:], widths[-1], rtol=1e-9)


def test_cycles_turn_at_the_strains_of_their_ratio():
    text = adapter.load_case(load_of("cyclic", strain=0.01, increments=4, ratio=0.2, cycles=3))
    ends, reached = [], 0.0
    for step in damask_yaml(text)["loadstep"]:
        reached += step["boundary_conditions"]["mechanical"]["dot_F"][0][0] * step["discretization"]["t"]
        ends.append(round(reached, 9))
    turns = [b for a, b, c in zip(ends, ends[1:], ends[2:], strict=False) if (b - a) * (c - b) < 0]
    assert turns == [0.01, 0.002] * 3
    assert ends[-1] == 0.01


def test_a_biaxial_path_goes_along_its_angle():
    [*_, last] = damask_yaml(adapter.load_case(load_of("biaxial", axes="yz", angle=120.0)))["loadstep"]
    rate = last["boundary_conditions"]["mechanical"]["dot_F"]
    assert rate[0][0] == "x"
    assert np.rad2deg(np.arctan2(rate[2][2], rate[1][1])) == pytest.approx(120.0)


def test_a_temperature_asks_for_definitions_that_depend_on_it(tmp_path, two_phase_grains):
    with pytest.raises(ValueError, match="temperature: expected definitions with rho"):
        adapter.write(two_phase_grains, tmp_path / "job", phase=PHASES, temperature=400.0)
    assert not (tmp_path / "job").exists()
    text = "lattice: cF\nrho: 2700.0\nthermal: {C_p: 910.0, K_11: 236.0}\nmechanical:\n  elastic: {type: Hooke}\n"
    (tmp_path / "warm.yaml").write_text(text)
    q = rotation.random_orientations((2, 2, 2), np.random.default_rng(0))
    field = OrientationVolume(q, np.ones((2, 2, 2)), (Phase("Al"),), (1.0, 1.0, 1.0), periodic=True)
    adapter.write(field, tmp_path / "job", by="voxel", phase=str(tmp_path / "warm.yaml"), temperature=400.0)
    assert damask_yaml((tmp_path / "job/load.yaml").read_text())["solver"]["thermal"] == "spectral"
    assert "thermal: {type: pass}" in (tmp_path / "job/material.yaml").read_text()
    damask = pytest.importorskip("damask")
    np.testing.assert_array_equal(damask.GeomGrid.load(tmp_path / "job/grid.vti").initial_conditions["T"], 400.0)


def test_how_often_an_increment_is_stored_and_which_fields(tmp_path, two_phase_grains):
    adapter.write(two_phase_grains, tmp_path / "job", phase=PHASES, f_out=4, output="P, xi_sl,O")
    steps = damask_yaml((tmp_path / "job/load.yaml").read_text())["loadstep"]
    assert {step["f_out"] for step in steps} == {4}
    for phase in damask_yaml((tmp_path / "job/material.yaml").read_text())["phase"].values():
        assert phase["mechanical"]["output"] == ["F", "P", "O"]
        assert phase["mechanical"]["plastic"]["output"] == ["xi_sl"]
    with pytest.raises(ValueError, match=r"output: expected .*'bend'"):
        adapter.write(two_phase_grains, tmp_path / "b", phase=PHASES, output=["P", "bend"])
    with pytest.raises(ValueError, match="f_out: expected 1 or more"):
        adapter.load_case(load_of("tension"), f_out=0)
    with pytest.raises(ValueError, match="temperature: expected kelvins above 0"):
        adapter.load_case(load_of("tension"), temperature=-1.0)


def test_voxels_of_one_orientation_and_phase_share_a_material(tmp_path, two_phase_grains):
    from polyrve.microstructure.grains import grain_wise

    damask = pytest.importorskip("damask")
    field = grain_wise(two_phase_grains)
    adapter.write(field, tmp_path / "job", phase=PHASES, by="voxel")
    material = damask.ConfigMaterial.load(tmp_path / "job/material.yaml")["material"]
    grid = damask.GeomGrid.load(tmp_path / "job/grid.vti").material
    assert len(material) == 8
    assert sorted(np.unique(grid).tolist()) == list(range(8))
    for index in np.ndindex(3, 4, 5):
        [constituent] = material[grid[index[::-1]]]["constituents"]
        expected = rotation.conjugate(field.quaternions[index])
        assert abs(np.dot(constituent["O"], expected)) == pytest.approx(1.0, abs=1e-12)
        assert constituent["phase"].startswith(field.phases[field.phase_ids[index] - 1].name[:2])


def test_a_material_file_larger_than_the_stack_is_said(tmp_path, monkeypatch):
    q = rotation.random_orientations((3, 4, 5), np.random.default_rng(0))
    field = OrientationVolume(q, np.ones((3, 4, 5), dtype=int), (Phase("Al"),), (1.0, 1.0, 1.0), periodic=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        adapter.write(field, tmp_path / "a", by="voxel")
    size = (tmp_path / "a/material.yaml").stat().st_size
    monkeypatch.setattr(adapter, "_STACK", size)
    with pytest.warns(UserWarning, match=r"60 materials.*ulimit -s unlimited"):
        adapter.write(field, tmp_path / "b", by="voxel")
    assert "ulimit -s unlimited" in (tmp_path / "a/load.yaml").read_text()


@pytest.mark.parametrize(("text", "words"), [
    ("lattice: cF\n", "'mechanical'"), ("lattice: cF\nmechanical:\n  output: [F, P]\n", "'elastic'"),
    ("lattice: cF\nthermal: {elastic: 1}\n", "'mechanical'"),
    ("lattice: cF\nmechanical:\n  elastic: {type: Hooke, C_11: ???, C_12: 1, C_44: 1}\n", r"\?\?\?"),
])  # fmt: skip
def test_a_definition_that_damask_cannot_run_is_refused(tmp_path, text, words):
    (tmp_path / "mine.yaml").write_text(text)
    q = rotation.random_orientations((2, 2, 2), np.random.default_rng(0))
    field = OrientationVolume(q, np.ones((2, 2, 2)), (Phase("Al"),), (1.0, 1.0, 1.0), periodic=True)
    with pytest.raises(ValueError, match=words):
        adapter.write(field, tmp_path / "job", by="voxel", phase=str(tmp_path / "mine.yaml"))


def test_a_template_is_written_with_a_warning(tmp_path):
    q = rotation.random_orientations((2, 2, 2), np.random.default_rng(0))
    field = OrientationVolume(q, np.ones((2, 2, 2)), (Phase("Unobtainium"),), (1.0, 1.0, 1.0), periodic=True)
    with pytest.warns(UserWarning, match=r"Unobtainium.*template.*\?\?\?"):
        adapter.write(field, tmp_path / "job", by="voxel", phase="template")


def test_programs_are_named_as_the_newest_releases_have_them():
    assert "damask_grid --geom" in adapter.load_case(load_of("tension"))


def test_load_case_options():
    text = adapter.load_case(load_of("tension", axes="z", strain=0.1, rate=1e-2, increments=7))
    steps = [step["discretization"] for step in yaml.safe_load(text)["loadstep"]]
    assert sum(step["N"] for step in steps) == 7
    assert sum(step["t"] for step in steps) == pytest.approx(10.0)
    assert "[[x, 0.0, 0.0], [0.0, x, 0.0], [0.0, 0.0, 0.01]]" in text


@pytest.mark.parametrize(("options", "words"), [
    ({"case": "bending"}, "expected one of tension"), ({"case": "tension", "axes": "xy"}, "axes"),
    ({"case": "shear", "axes": "xx"}, "axes"), ({"case": "tension", "strain": -1.0}, "positive"),
    ({"case": "cyclic", "ratio": 1.0}, "ratio"), ({"case": "cyclic", "cycles": 0}, "cycles"),
    ({"case": "biaxial", "angle": float("nan")}, "angle"),
    ({"case": "tension", "increments": 0}, "positive"), ({"case": "tension", "increments": 1.5}, "positive"),
])  # fmt: skip
def test_bad_load_cases(options, words):
    with pytest.raises(ValueError, match=words):
        load_of(**options)


def test_several_loads(tmp_path, two_phase_grains):
    adapter.write(two_phase_grains, tmp_path / "job", phase=PHASES, load=["shear", "tension"])
    assert {"load.yaml", "load_tension.yaml"} <= set(os.listdir(tmp_path / "job"))
    assert "simple shear" in (tmp_path / "job/load.yaml").read_text()


@pytest.mark.parametrize("phase", [
    {"Mg (alpha)": "Mg", "Al": "Al"}, "Mg (alpha)=Mg", ["Mg (alpha)=magnesium", "Al=Cu"], {"Mg (alpha)": "Ti"},
])  # fmt: skip
def test_ways_to_name_a_definition(tmp_path, two_phase_grains, phase):
    adapter.write(two_phase_grains, tmp_path / "job", phase=phase)
    _, config = load(tmp_path / "job")
    assert config["phase"]["Mg_alpha"]["lattice"] == "hP"


@pytest.mark.parametrize(("phase", "words"), [
    (None, "no definition"), ("Mg", "name=definition"), ({"Mg (alpha)": "Zn"}, "'Zn'.*template"),
    ({"Mg (alpha)": "Al"}, "Laue group 6/mmm"), ({"Fe": "Fe"}, "names out of Al, Mg"),
    ({"Mg (alpha)": "absent.yaml"}, "cannot read"), ({"Mg (alpha)": ""}, "no definition"),
])  # fmt: skip
def test_phase_without_a_definition_is_refused(tmp_path, two_phase_grains, phase, words):
    with pytest.raises(ValueError, match=words):
        adapter.write(two_phase_grains, tmp_path / "job", phase=phase)
    assert os.listdir(tmp_path) == []


def test_one_phase_needs_no_name(tmp_path):
    q = rotation.random_orientations((3, 4, 5), np.random.default_rng(0))
    field = OrientationVolume(q, np.ones((3, 4, 5)), (Phase("whatever: #1"),), (1.0, 1.0, 1.0))
    adapter.write(field, tmp_path / "job", by="voxel", phase="Ni")
    _, config = load(tmp_path / "job")
    assert list(config["phase"]) == ["whatever_1"]


def test_phases_without_a_voxel_need_no_definition(tmp_path):
    q = rotation.random_orientations((3, 4, 5), np.random.default_rng(0))
    field = OrientationVolume(q, np.full((3, 4, 5), 2), (Phase("Unknown", "-1"), Phase("Matrix")), (1.0, 1.0, 1.0))
    adapter.write(field, tmp_path / "job", by="voxel", phase="Ni")
    _, config = load(tmp_path / "job")
    assert list(config["phase"]) == ["Matrix"]


def test_definition_from_a_file_and_template(tmp_path, two_phase_grains):
    adapter.write(two_phase_grains, tmp_path / "job", phase={"Mg (alpha)": "template"})
    text = (tmp_path / "job/material.yaml").read_text()
    assert "C_33: ???" in text
    assert "c/a: 1.625000 " in text
    own = tmp_path / "own.yaml"
    own.write_text(damask_phases.LIBRARY["Mg"].yaml())
    adapter.write(two_phase_grains, tmp_path / "job2", phase={"Mg (alpha)": str(own)})
    _, config = load(tmp_path / "job2")
    assert config["phase"]["Mg_alpha"]["mechanical"]["elastic"]["C_11"] == 59.5e9
    own.write_text("mechanical: {}\n")
    with pytest.raises(ValueError, match="lattice"):
        adapter.write(two_phase_grains, tmp_path / "job3", phase={"Mg (alpha)": str(own)})


def test_unindexed_voxels_are_refused(tmp_path):
    q = rotation.random_orientations((3, 4, 5), np.random.default_rng(0))
    ids = np.ones((3, 4, 5), dtype=int)
    ids[0, 0, 0] = 0
    field = OrientationVolume(q, ids, (Phase("Al"),), (1.0, 1.0, 1.0))
    with pytest.raises(ValueError, match="1 of 60"):
        adapter.write(field, tmp_path / "job", by="voxel")
    assert os.listdir(tmp_path) == []
    adapter.write(field, tmp_path / "job", by="voxel", fill=True)
    grid, config = load(tmp_path / "job")
    assert len(config["material"]) == 59
    assert np.unique(grid.material).tolist() == list(range(59))


def test_grid_options_together(tmp_path, two_phase_grains):
    layer = two_phase_grains.field.section(0, 1)
    adapter.write(
        layer, tmp_path / "job", by="voxel", phase=PHASES, columns=2, mirror="xy", buffer=3, buffer_axes="xy",
        buffer_phase="Al",
    )  # fmt: skip
    grid, config = load(tmp_path / "job")
    assert tuple(grid.cells) == (13, 11, 2)
    np.testing.assert_allclose(grid.size, np.array([13 * 1.1, 11 * 0.35, 2 * 0.35]) * 1e-6)
    assert set(config["phase"]) == {"Al", "Mg_alpha", "buffer_Al"}
    names = np.array([m["constituents"][0]["phase"] for m in config["material"]])
    assert (names[grid.material[10:]] == "buffer_Al").all()
    assert (names[grid.material[:10, :8]] != "buffer_Al").all()
    adapter.write(two_phase_grains, tmp_path / "fine", phase=PHASES, resolution=(6, 8, 10))
    grid, _ = load(tmp_path / "fine")
    assert tuple(grid.cells) == (10, 8, 6)
    np.testing.assert_allclose(grid.size, np.array([5.5, 1.4, 2.1]) * 1e-6)


def test_one_voxel_along_x_is_refused(tmp_path):
    field = OrientationVolume(np.ones((2, 3, 1, 4)) / 2, np.ones((2, 3, 1)), (Phase("Al"),), (1.0, 1.0, 1.0))
    with pytest.raises(ValueError, match="along x"):
        adapter.write(field, tmp_path / "job", by="voxel")


def test_results_in_the_folder_survive_force(tmp_path, two_phase_grains):
    adapter.write(two_phase_grains, tmp_path / "job", phase=PHASES)
    (tmp_path / "job/result.hdf5").write_text("days of work")
    with pytest.raises(FileExistsError):
        adapter.write(two_phase_grains, tmp_path / "job", phase=PHASES)
    adapter.write(two_phase_grains, tmp_path / "job", phase=PHASES, force=True, load="shear")
    assert (tmp_path / "job/result.hdf5").read_text() == "days of work"
    assert "simple shear" in (tmp_path / "job/load.yaml").read_text()


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL on Windows")
def test_killed_export_leaves_no_folder(tmp_path):
    code = (
        "import os, signal, sys, numpy as np\n"
        "from polyrve.adapters.solvers import damask\n"
        "from polyrve.crystallography.phase import Phase\n"
        "from polyrve.microstructure.fields import OrientationVolume\n"
        "damask.Path.write_text = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)\n"
        "q = np.ones((2, 2, 2, 4)) / 2\n"
        "damask.write(OrientationVolume(q, np.ones((2, 2, 2)), (Phase('Al'),), (1, 1, 1)), sys.argv[1], by='voxel')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "job")], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "job").exists()


@pytest.mark.parametrize("name", damask_phases.LIBRARY)
def test_definitions_are_complete(name):
    damask = pytest.importorskip("damask")
    definition = damask_phases.LIBRARY[name]
    document = damask.YAML(definition.yaml())
    assert document["lattice"] == definition.lattice
    assert ("c/a" in document) == (definition.lattice in ("hP", "tI"))
    elastic = document["mechanical"]["elastic"]
    assert elastic["type"] == "Hooke"
    constants = {"cF": 3, "cI": 3, "hP": 5, "tI": 6}[definition.lattice]
    assert len(elastic) == constants + 1
    bulk = elastic["C_11"] + 2 * elastic["C_12"]
    assert bulk > 0
    assert elastic["C_11"] > abs(elastic["C_12"]), "elastic stability"
    plastic = document["mechanical"]["plastic"]
    if definition.law == "isotropic":
        assert plastic["dilatation"] is True
        assert {"dot_gamma_0", "n", "xi_0", "xi_inf", "h_0", "M", "a", "h"} <= set(plastic)
        return
    families = len(plastic["N_sl"])
    one_for_all = ("p_sl", "q_sl")
    per_family = [
        k for k in plastic if (k.endswith("_sl") and k not in one_for_all) or k in ("h_0_sl-sl", "f_sat_sl-tw")
    ]
    assert all(len(plastic[k]) == families for k in per_family)
    assert "# " in definition.yaml()
    for source in (definition.elastic_source, definition.plastic_source):
        assert "doi:10." in source
        assert re.search(r"\((19|20)\d\d\)", source)
        assert "DAMASK 3.0.2, examples/" in source or "ESTIMATE" in source
    assert {"F", "P"} <= set(document["mechanical"]["output"])
    parameters = {name: plastic[name] for name in plastic if name not in ("type", "output")}
    for values in (*list(elastic.values())[1:], *parameters.values()):
        for value in values if isinstance(values, list) else [values]:
            assert isinstance(value, (int, float)), f"{value!r} is read as text"


def test_metals_have_cited_parameters():
    for name in ("Al", "Cu", "Ni", "Fe", "316L", "Mg", "Ti"):
        definition = damask_phases.find(name)
        assert "ESTIMATE" not in definition.elastic_source + definition.plastic_source


@pytest.mark.parametrize("lattice", LAUE)
def test_template_is_yaml_with_every_key(lattice):
    damask = pytest.importorskip("damask")
    document = damask.YAML(damask_phases.template("new", lattice).replace("???", "1.0"))
    assert document["lattice"] == lattice
    assert len(document["mechanical"]["elastic"]) == {"cF": 4, "cI": 4, "hP": 6, "tI": 7}[lattice]


def test_orientations_survive_from_the_scan_to_material_yaml(tmp_path):
    scan_file = Path(__file__).resolve().parents[2].parent / "shared/data/ebsd_316L_500x500.ang"
    if not scan_file.exists():
        pytest.skip("the sample data is not here")
    scan = polyrve.read(scan_file, frame="edax-2")
    polyrve.write(scan, tmp_path / "scan.dream3d")
    back = polyrve.read(tmp_path / "scan.dream3d")
    polyrve.write(back, tmp_path / "job", format="damask", by="voxel", phase="316L", fill=True)
    text = (tmp_path / "job/material.yaml").read_text()
    O = np.array([row.split(",") for row in re.findall(r"O: \[(.*?)\]", text)], dtype=float)  # noqa: E741
    assert scan.indexed.sum() - 200 < len(O) <= scan.indexed.sum()
    damask = pytest.importorskip("damask")
    material = damask.GeomGrid.load(tmp_path / "job/grid.vti").material.T[0]
    error = damask.Rotation(O[material]).as_matrix() - rotation.to_matrix(scan.quaternions)
    assert np.abs(error[scan.indexed]).max() < 1e-12


@pytest.mark.skipif(shutil.which("DAMASK_grid") is None, reason="DAMASK_grid is not on the PATH")
@pytest.mark.parametrize("name", damask_phases.LIBRARY)
def test_damask_grid_runs_the_folder(tmp_path, name):
    definition = damask_phases.LIBRARY[name]
    q = rotation.random_orientations((2, 2, 3), np.random.default_rng(1))
    field = OrientationVolume(q, np.ones((2, 2, 3)), (Phase(name, LAUE[definition.lattice]),), (0.7, 0.35, 1.1))
    adapter.write(field, tmp_path / "job", by="voxel", strain=1e-3, increments=2)
    command = "DAMASK_grid -g grid.vti -l load.yaml -m material.yaml -n numerics.yaml -j job".split()
    done = subprocess.run(command, cwd=tmp_path / "job", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert done.stdout.count("converged") >= 2
