"""Example files by name."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import polyrve
from polyrve import data
from polyrve.crystallography import rotation
from polyrve.microstructure.fields import OrientationMap
from polyrve.microstructure.grains import GrainVolume


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("POLYRVE_DATA", str(tmp_path / "here"))
    return tmp_path / "here"


@pytest.mark.parametrize("name", data.names())
def test_every_file_is_made_once_and_read(folder, name):
    path = data.path(name)
    assert path.parent.parent == folder
    assert path.name == name
    made = path.stat().st_mtime_ns
    loaded = data.load(name)
    assert data.path(name).stat().st_mtime_ns == made
    assert isinstance(loaded, GrainVolume if name.endswith(".dream3d") else OrientationMap)
    assert not [found for found in path.parent.iterdir() if "partial" in found.name]


def test_files_are_the_same_wherever_they_are_made(folder, tmp_path, monkeypatch):
    first = data.path("scan").read_bytes()
    monkeypatch.setenv("POLYRVE_DATA", str(tmp_path / "there"))
    assert data.path("scan.ang").read_bytes() == first


def test_the_scan_is_a_section_of_the_truth(folder):
    truth, scan = data.load("truth"), data.load("scan")
    section = truth.field.section("z", 0)
    angle = np.rad2deg(
        rotation.disorientation_angle(
            scan.quaternions[scan.indexed], section.quaternions[scan.indexed], scan.phases[0].symmetry
        )
    )
    assert np.median(angle) < 0.5
    assert scan.indexed.mean() == pytest.approx(0.98, abs=1e-3)
    np.testing.assert_allclose(data.load("scan.ctf").quaternions.shape, scan.quaternions.shape)


def test_both_phases_are_there(folder):
    scan = data.load("two_phases")
    assert {phase.name for phase in scan.phases} == {"Aluminium", "Magnesium"}
    assert set(np.unique(scan.phase_ids)) == {0, 1, 2}


def test_a_stem_is_the_first_file(folder):
    assert data.path("scan").name == "scan.ang"


@pytest.mark.parametrize("name", ["scan.xyz", "", "../scan.ang"])
def test_unknown_names_are_refused(folder, name):
    with pytest.raises(ValueError, match=r"name: expected one of scan\.ang, .*; got"):
        data.path(name)


@pytest.mark.parametrize(
    ("platform", "variable", "expected"),
    [
        ("linux", "XDG_CACHE_HOME", "{}/polyrve/data"),
        ("win32", "LOCALAPPDATA", "{}/polyrve/data"),
        ("darwin", "HOME", "{}/Library/Caches/polyrve/data"),
    ],
)
def test_files_lie_in_the_cache_of_the_platform(tmp_path, monkeypatch, platform, variable, expected):
    monkeypatch.delenv("POLYRVE_DATA", raising=False)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv(variable, str(tmp_path))
    assert data.folder() == Path(expected.format(tmp_path)) / polyrve.__version__


def test_two_processes_may_make_a_file_at_once(folder):
    code = "import polyrve; print(polyrve.data.load('scan').shape)"
    running = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=dict(os.environ)) for _ in range(2)
    ]
    assert [process.communicate(timeout=120)[0].strip() for process in running] == [b"(64, 64)"] * 2
