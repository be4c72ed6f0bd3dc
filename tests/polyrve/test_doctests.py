import doctest
import importlib
import pkgutil

import pytest

import polyrve


def module_names():
    return sorted(module.name for module in pkgutil.walk_packages(polyrve.__path__, "polyrve."))


@pytest.mark.parametrize("name", module_names())
def test_examples_in_docstrings(name):
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0
