import inspect

import pytest

from polyrve.adapters import registry


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
