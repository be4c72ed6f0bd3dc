import h5py
import pytest

from polyrve.adapters import registry
from polyrve.filters.ReadEBSDFilter import read
from polyrve.microstructure.synthetic import make_specimen


@pytest.fixture
def file(tmp_path):
    """Two geometries that differ in their phase's Laue group alone."""
    path = tmp_path / "two.dream3d"
    registry.write(make_specimen((2, 6, 8), grain_size=4.0, seed=1).field, path)
    with h5py.File(path, "r+") as content:
        content.copy("DataStructure/DataContainer", "DataStructure/Other")
        content["DataStructure/Other/CellEnsembleData/CrystalStructures"][1] = 0
    return path


def test_options_choose_what_is_read_and_are_read_anew(file):
    with pytest.raises(registry.FormatError, match="name one by the option geometry"):
        read(file, 0)
    found = [read(file, 0, f"geometry={name}")[0].phases[0].laue for name in ("DataContainer", "Other")]
    assert found == ["m-3m", "6/mmm"]
    assert read(file, 0, "geometry=Other, volume=true, frame=edax-2")[0].frame.name == "edax-2"


@pytest.mark.parametrize(("options", "words"), [
    ("geometry", "options: expected name=value"), ("colour=1", "got 'colour'"), ("volume=perhaps", "option volume"),
])  # fmt: skip
def test_bad_options_are_refused(file, options, words):
    with pytest.raises(ValueError, match=words):
        read(file, 0, options)
