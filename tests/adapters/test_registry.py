import inspect
import re
import sys
import types
import warnings

import pytest

import polyrve
from polyrve.adapters import registry
from polyrve.adapters.registry import FormatError
from polyrve.backend import offered


def functions():
    for row in registry.formats():
        for can, verb in ((row.reads, "read"), (row.writes, "write")):
            if can:
                yield pytest.param(getattr(row.load(), verb), id=f"{row.name}-{verb}")


def function_of(name, verb="write"):
    (row,) = (row for row in registry.formats() if row.name == name)
    return getattr(row.load(), verb)


@pytest.mark.parametrize("function", list(functions()))
def test_every_default_is_a_value_of_its_option(function):
    defaults = registry.options_of(function)
    assert "force" not in defaults
    assert registry.checked_options(function, defaults) == defaults
    assert set(defaults) < set(inspect.signature(function).parameters)


@pytest.mark.parametrize(("name", "verb", "option", "given", "expected"), [
    ("dream3d", "write", "compress", "False", False), ("dream3d", "write", "version", 7, 7),
    ("h5oina", "read", "slice_name", 2, "2"), ("dream3d", "read", "laue", ["m-3m", "6/mmm"], ["m-3m", "6/mmm"]),
    ("dream3d", "read", "mask", False, False), ("ang", "read", "columns", ["phi1", "x"], ("phi1", "x")),
    ("damask", "write", "columns", 3, 3), ("damask", "write", "strain", 1, 1.0),
    ("damask", "write", "phase", {"Al": "Al"}, {"Al": "Al"}),
])  # fmt: skip
def test_options_are_brought_to_the_type_asked_for(name, verb, option, given, expected):
    assert registry.checked_options(function_of(name, verb), {option: given}) == {option: expected}


@pytest.mark.parametrize(("name", "option", "given", "words"), [
    ("damask", "strain", "a", "option strain: expected a valid number; got 'a'"),
    ("damask", "columns", "two", "option columns: expected a valid integer; got 'two'"),
    ("damask", "columns", 2.5, "expected a valid integer; got 2.5"),
    ("damask", "resolution", 5, "option resolution: expected a list; got 5"),
    ("damask", "load", True, "expected a valid string or a list; got True"),
    ("dream3d", "compress", "maybe", "option compress: expected a valid boolean; got 'maybe'"),
    ("damask", "colour", "red", "expected an option out of by, phase, .*; got 'colour'"),
    ("damask", "force", True, "got 'force'"), ("damask", "data", 1, "got 'data'"),
])  # fmt: skip
def test_options_of_another_type_or_name_are_refused(name, option, given, words):
    with pytest.raises(ValueError, match=words):
        registry.checked_options(function_of(name), {option: given})


class Entry:
    """What an installed package says of its format."""

    def __init__(self, row):
        self.name, self.row = row.name, row

    def load(self):
        return self.row


@pytest.fixture
def installed(monkeypatch):
    """Install formats of other packages, whose one module reads and writes nothing but a note of what it was asked."""
    module = types.ModuleType("another_package")
    module.asked = []
    module.read = lambda path, **options: module.asked.append(("read", path.name)) or "theirs"
    module.write = lambda data, path, **options: module.asked.append(("write", path.name))
    monkeypatch.setitem(sys.modules, "another_package", module)

    def install(*rows):
        found = [
            Entry(registry.Format(name, suffixes, "another_package", reads, writes, "theirs", recognises))
            for name, suffixes, reads, writes, recognises in rows
        ]
        monkeypatch.setattr(offered, "entry_points", lambda group: found)
        registry.formats.cache_clear()
        return module

    yield install
    registry.formats.cache_clear()


@pytest.mark.parametrize("name", ["ang", "dream3d", "orix-h5", "los-alamos"])
def test_a_format_of_another_package_with_a_name_of_ours_is_left_out(installed, name):
    installed((name, (".other",), True, True, None))
    with pytest.warns(UserWarning, match=f"'{name}' of an installed package is left out: .* a name of its own"):
        rows = registry.formats()
    assert [row.module for row in rows if row.name == name] == [
        row.module for row in registry.FORMATS if row.name == name
    ]


@pytest.mark.parametrize(("name", "suffix"), [("ang", ".ang"), ("ctf", ".ctf"), ("h5oina", ".h5oina")])
def test_a_format_of_another_package_with_a_suffix_of_ours(installed, samples, crystals, tmp_path, name, suffix):
    module = installed(("theirs", (suffix,), True, True, None))
    with pytest.warns(UserWarning, match=rf"'theirs' of an installed package has the suffix {suffix}.*--format"):
        registry.formats()
    path = samples[name].write(crystals((4, 5)), tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        field = polyrve.read(path)
    assert field.provenance["format"] == name
    assert polyrve.read(path, format="theirs") == "theirs"
    assert module.asked == [("read", path.name)]


def test_writing_what_two_packages_can_write(installed, crystals, tmp_path):
    module = installed(("theirs", (".vti",), True, True, None))
    with pytest.warns(UserWarning, match=r"has the suffix \.vti"):
        registry.formats()
    assert registry.writer(tmp_path / "a.vti").name == "vti"
    assert registry.writer(tmp_path / "a.vti", "theirs").name == "theirs"
    (tmp_path / "a.vti").write_text("x")
    ours = next(row for row in registry.FORMATS if row.name == "vti")
    assert registry.reader(tmp_path / "a.vti").name == ("vti" if ours.reads else "theirs")
    assert module.asked == []


def test_hdf5_of_another_package_is_told_by_its_content(installed, samples, crystals, tmp_path):
    installed(("theirs", (".h5",), True, False, lambda path: path.name.startswith("special")))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        registry.formats()
    path = samples["orix-h5"].write(crystals((4, 5)), tmp_path)
    assert registry.reader(path).name == "orix-h5"
    (tmp_path / "special.h5").write_text("no HDF5")
    assert registry.reader(tmp_path / "special.h5").name == "theirs"


def test_content_that_another_package_cannot_look_at(installed, tmp_path):
    def broken(path):
        raise RuntimeError("never works")

    installed(("theirs", (".h5",), True, False, broken))
    (tmp_path / "a.h5").write_text("no HDF5")
    with (
        pytest.warns(UserWarning, match="'theirs' .* is left out: never works"),
        pytest.raises(FormatError, match="its content is of none of them"),
    ):
        registry.reader(tmp_path / "a.h5")


def test_two_packages_with_one_name(installed):
    installed(("theirs", (".a",), True, False, None), ("theirs", (".b",), True, False, None))
    with pytest.warns(UserWarning, match="'theirs' of an installed package is left out"):
        rows = registry.formats()
    assert [row.suffixes for row in rows if row.name == "theirs"] == [(".a",)]


@pytest.mark.parametrize(("name", "words"), [
    ("scan.osc", r"export the scan from OIM Analysis as \.ang or \.oh5"), ("SCAN.OSC", "OIM Analysis"),
    ("map.bcf", r"export the map from ESPRIT as \.h5"), ("p.oipx", r"from AZtec as \.h5oina"), ("p.up2", "index them"),
    ("p.mat", "in MTEX"), ("p.cprx", r"as \.ctf"),
])  # fmt: skip
def test_files_that_cannot_be_read_say_how_to_export(tmp_path, name, words):
    (tmp_path / name).write_bytes(b"\xb9\x0b\xef\xff\x02\0\0\0" * 10)
    with pytest.raises(FormatError, match=words):
        polyrve.read(tmp_path / name)


def test_packed_files_are_read_and_not_written(tmp_path):
    assert {end for row in registry.formats() for end in row.packed} == {".ang.gz", ".ctf.gz", ".txt.gz", ".csv.gz"}
    (tmp_path / "a.ang.gz").write_bytes(b"x")
    assert registry.reader(tmp_path / "a.ang.gz").name == "ang"
    with pytest.raises(FormatError, match=r"expected a file name that ends in .*; got \.ang\.gz"):
        registry.writer(tmp_path / "a.ang.gz")
    (tmp_path / "a.dream3d.gz").write_bytes(b"x")
    with pytest.raises(FormatError, match=r"got \.dream3d\.gz"):
        registry.reader(tmp_path / "a.dream3d.gz")


@pytest.mark.parametrize("junk", ["\x1b[31m", "\0" * 5, "\u202e", "a" * 100_000, "\n\n\r"])
def test_errors_have_no_control_characters_and_an_end(junk):
    for text in (FormatError("a.ang", f"expected this; got {junk}"), FormatError("a.ang", "expected this", junk)):
        assert str(text).isprintable()
        assert len(str(text)) < 1100
        assert max(map(len, str(text).split())) < 125
    assert FormatError(f"a{junk[:10]}.ang", "x").path == f"a{junk[:10]}.ang"
    assert str(FormatError(f"a{junk[:10]}.ang", "x")).isprintable()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: polyrve.segment("x"), "field: expected an orientation map or volume; got str: polyrve.read reads"),
        (lambda: polyrve.write(3, "a.vti"), "data: expected an orientation map or volume; got int"),
        (lambda: polyrve.simulate_scan("x"), "volume: expected an OrientationVolume or a GrainVolume; got str"),
        (lambda: polyrve.write(polyrve.data.load("scan"), "a.vtkdf"), "got .vtkdf: did you mean '.vtkhdf'?"),
        (lambda: polyrve.read("a.ang", format="agn"), "got 'agn': did you mean 'ang'?"),
        (lambda: polyrve.read("a.ang", frame="edax1"), "got 'edax1': did you mean 'edax-"),
    ],
)
def test_what_is_no_map_and_what_is_misspelt_is_said(tmp_path, monkeypatch, samples, crystals, call, said):
    monkeypatch.chdir(tmp_path)
    samples["ang"].write(crystals((4, 5)), tmp_path).rename("a.ang")
    with pytest.raises(ValueError, match=re.escape(said)):
        call()
