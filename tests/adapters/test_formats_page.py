"""The examples of docs/formats-out.md run as they stand, and the page knows every format that can be written."""

import re
from pathlib import Path

import numpy as np
import pytest

import polyrve
from polyrve.adapters.registry import FORMATS
from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.microstructure.fields import OrientationVolume
from polyrve.microstructure.grains import GrainVolume

PAGE = Path(__file__).resolve().parents[2] / "docs/formats-out.md"
TEXT = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
START, *EXAMPLES = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL) or [""]

pytestmark = pytest.mark.skipif(not TEXT, reason="docs/ is not here")


@pytest.fixture
def job(tmp_path, monkeypatch):
    ids = np.kron(np.arange(1, 9).reshape(2, 2, 2), np.ones((2, 2, 2), dtype=int))
    q = rotation.random_orientations(8, np.random.default_rng(0))
    field = OrientationVolume(q[ids - 1], np.ones(ids.shape), (Phase("Al"),), (0.5, 0.5, 0.5))
    polyrve.write(GrainVolume(field, ids, q, np.ones(8)), tmp_path / "rve.dream3d")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("example", EXAMPLES, ids=[re.search(r'"(.+?)"', e)[1] for e in EXAMPLES])
def test_example_runs(job, example):
    if ".vt" in example or '"rve.f3grid"' in example:
        for name in ("meshio", "vtk"):
            pytest.importorskip(name)
    if 'format="tetrahedra"' in example:
        pytest.importorskip("gmsh", reason="Gmsh is not installed", exc_type=ImportError)
    if '"rve.e"' in example:
        pytest.importorskip("netCDF4")
    rve_moved = example.replace('"rve.dream3d"', '"other.dream3d"')
    exec(compile(START + rve_moved, str(PAGE), "exec"), {})


@pytest.mark.parametrize("name", [row.name for row in FORMATS if row.writes])
def test_every_format_has_a_section_with_an_example(name):
    sections = {title.lower(): body for title, body in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.M | re.S)}
    [body] = [body for title, body in sections.items() if name in re.split(r",? and |, ", title)]
    code = re.search(r"^```python\n(.*?)^```", body, re.M | re.S)[1]
    assert len(code.splitlines()) >= 5
    assert re.search(rf"^\| \[(.*, )?{name}(, .*)?\]\(#", TEXT, re.M), "a row of the table"
