"""The MATLAB scripts that open exported files in MTEX."""

import numpy as np
import pytest
from typer.testing import CliRunner

import polyrve
from polyrve.adapters import mtex_script
from polyrve.cli.app import app
from polyrve.crystallography import reference_frames, rotation
from polyrve.microstructure.synthetic import ALUMINIUM, MAGNESIUM


@pytest.fixture(scope="module")
def saved_volume(tmp_path_factory):
    path = tmp_path_factory.mktemp("volume") / "rve.dream3d"
    polyrve.write(polyrve.make_specimen((4, 5, 6), grain_size=4.0), path)
    return path


TURNS = {
    ("ang", "edax-1"): [1, 1, 0],
    ("ang", "edax-2"): [1, -1, 0],
    ("ang", "edax-3"): [1, 0, 0],
    ("ang", "edax-4"): [0, 1, 0],
    ("ctf", "oxford-cs1"): [1, 0, 0],
}
"""Axes of the half turns by which MTEX's readers bring Euler angles to the map, from its source."""


@pytest.mark.parametrize(("suffix", "frame"), TURNS)
def test_flags_turn_as_the_frames_do(tmp_path, suffix, frame):
    axis = np.array(TURNS[suffix, frame], dtype=float)
    turn = rotation.from_rotation_vector(np.pi * axis / np.linalg.norm(axis))
    ours = np.array(reference_frames.named(frame).map_to_euler)
    assert abs(turn @ ours) == pytest.approx(1.0)
    text = mtex_script.write(tmp_path / f"map.{suffix}", [ALUMINIUM], frame=frame).read_text()
    assert "'convertEuler2SpatialReferenceFrame'" in text
    if suffix == "ang":
        assert f"'setting {frame[-1]}'" in text


def test_a_volume_says_its_phases(tmp_path):
    text = mtex_script.write(tmp_path / "it's 1.dream3d", [ALUMINIUM, MAGNESIUM]).read_text()
    assert "'it''s 1.dream3d'" in text
    assert (
        "crystalSymmetry('6/mmm', [3.209 3.209 5.211], [90 90 120]*degree, 'X||a', 'Z||c*', 'mineral', 'Magnesium')"
        in text
    )
    assert text.index("Aluminium") < text.index("Magnesium")
    assert (tmp_path / "open_it_s_1.m").exists()


def test_the_command_writes_it(tmp_path, saved_volume):
    arguments = ["export", str(saved_volume), str(tmp_path / "top.ang"), "--set", "section=z:0", "--mtex"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "open_top.m").read_text().splitlines()[-1] == "ebsd = EBSD.load(fname)"


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("rve.vti", [], "MTEX script: expected a file of .ang, .ctf, .dream3d; got 'rve.vti'"),
        (
            "top.ang",
            ["--set", "section=z:0", "--set", "frame=bruker"],
            "MTEX script: expected a frame that MTEX has for .ang",
        ),
    ],
)
def test_what_mtex_cannot_open_is_refused_before_anything_is_written(tmp_path, saved_volume, name, options, message):
    result = CliRunner().invoke(app, ["export", str(saved_volume), str(tmp_path / name), "--mtex", *options])
    assert isinstance(result.exception, ValueError)
    assert message in str(result.exception)
    assert list(tmp_path.iterdir()) == []
