import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import polyrve


def module_names():
    return sorted(module.name for module in pkgutil.walk_packages(polyrve.__path__, "polyrve."))


@pytest.mark.parametrize("name", module_names())
def test_examples_in_docstrings(name):
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0


def test_examples_of_the_page_on_runs(tmp_path, monkeypatch):
    pytest.importorskip("distributed", reason="needs Dask: pip install dask distributed")
    page = Path(__file__).resolve().parents[2] / "docs" / "runs.md"
    monkeypatch.chdir(tmp_path)
    result = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert result.attempted > 30
    assert result.failed == 0
