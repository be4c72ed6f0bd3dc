"""Former names work for one release, and say which name takes their place."""

import importlib

import pytest

import polyrve
from polyrve import _moved


@pytest.mark.parametrize("former", sorted(_moved.MODULES))
def test_former_modules_hand_on_what_they_held(former):
    module = importlib.import_module(former)
    current = importlib.import_module(_moved.MODULES[former][0])
    name = next(name for name, value in vars(current).items() if getattr(value, "__module__", "") == current.__name__)
    with pytest.warns(DeprecationWarning, match=rf"{former}.{name}: .* use {current.__name__}.{name}"):
        assert getattr(module, name) is getattr(current, name)
    with pytest.raises(AttributeError, match="no_such_name"):
        module.no_such_name  # noqa: B018


@pytest.mark.parametrize("former", sorted(_moved._RENAMED))
def test_former_names_within_them(former):
    module, _, name = former.rpartition(".")
    with pytest.warns(DeprecationWarning, match=f"use .*{_moved._RENAMED[former]}"):
        found = getattr(importlib.import_module(module), name)
    assert found.__name__ == _moved._RENAMED[former]


def test_former_names_of_the_package():
    with pytest.warns(DeprecationWarning, match=r"polyrve.around: .* use .*axisymmetric"):
        assert polyrve.around is polyrve.axisymmetric


def test_the_report_was_a_function():
    with pytest.warns(DeprecationWarning, match=r"use polyrve.write_report"), pytest.raises(ValueError, match="rve"):
        polyrve.report("no volume")


@pytest.mark.parametrize(("former", "current", "value"), [("start", "initial", "random"), ("window", "largest_lag", 5)])
def test_former_settings(former, current, value):
    with pytest.warns(DeprecationWarning, match=f"setting {former}: .* use {current}"):
        settings = polyrve.ReconstructionSettings.create(**{former: value})
    assert getattr(settings, current) == value
