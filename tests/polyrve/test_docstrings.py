"""Docstrings: numpydoc's checks on every public name, more on those that users import."""

import dataclasses
import importlib
import inspect
import pkgutil
from operator import attrgetter

import pytest
from numpydoc.docscrape import NumpyDocString
from numpydoc.validate import validate

import polyrve

NOT_ASKED = {
    "ES01", "EX01", "PR01", "PR03", "PR04", "PR07", "PR08", "RT01", "RT03", "RT04", "SA01", "SS02", "SS05", "YD01",
}  # fmt: skip
"""Codes of numpydoc that not every public name has to pass."""

ASKED_OF_EXPORTS = {"EX01", "PR01", "RT01", "SS05", "YD01"}
"""Of these, codes that the names of ``polyrve.__all__`` have to pass: parameters, returns, an example."""

VERBS = set(
    """
    Add Analyse Append Apply Assemble Assign Average Begin Bin Bring Build Calculate Cancel Change Check Choose Clean
    Clear Close Coarsen Collect Combine Compare Compile Complete Compose Compute Continue Convert Copy Correlate Count
    Create Crop Cut Decide Define Delete Derive Describe Detect Digest Display Divide Draw Drop Estimate Evaluate Expand
    Export Extract Fill Filter Find Fit Flip Forecast Form Format Free Generate Get Give Group Grow Import Index Install
    Interpolate Invert Iterate Join Keep Label Lay Let Limit Link List Load Locate Look Make Mark Match Measure Merge
    Minimise Mirror Move Multiply Name Normalise Number Open Optimise Order Orient Pack Parse Pick Place Plan Plot Pool
    Print Project Propose Raise Read Record Reconstruct Reduce Refine Refuse Register Remove Rename Render Repeat
    Replace Report Resample Reshape Resolve Restore Resume Return Rotate Round Run Sample Save Scale Search Segment
    Select Separate Set Sharpen Shift Show Simulate Smooth Sort Split Start State Stop Store Sum Swap Take Tell Test
    Transform Try Turn Update Use Validate Verify Wait Walk Warn Weigh Wrap Write Yield
    """.split()
)
"""What the summary of a function begins with; a verb that is missing here is added."""

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(polyrve.__path__, "polyrve.")
    if not any(part.startswith("_") for part in module.name.split("."))
)
EXPORTS = sorted(set(polyrve.__all__) - {"__version__"})


def members(owner):
    """Public methods and properties that a class defines itself."""
    kinds = (property, classmethod, staticmethod)
    return [
        name
        for name, value in vars(owner).items()
        if not name.startswith("_") and (inspect.isfunction(value) or isinstance(value, kinds)) and value.__doc__
    ]


def public_names(module):
    """Functions and classes that a module defines, with methods and properties."""
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(value):
            yield f"{module.__name__}.{name}"
        elif inspect.isclass(value):
            yield f"{module.__name__}.{name}"
            yield from (f"{module.__name__}.{name}.{member}" for member in members(value))


def exported(name):
    """An export and its members, by their names below ``polyrve``."""
    value = getattr(polyrve, name)
    return [name, *(f"{name}.{member}" for member in members(value))] if inspect.isclass(value) else [name]


def fields_are_stated(owner):
    """Fields of a dataclass stand under Attributes, here or in a base; those of settings in their schema."""
    if hasattr(owner, "model_fields"):
        return True
    attributes = [
        attribute
        for base in owner.__mro__
        if base.__doc__ and dataclasses.is_dataclass(base)
        for attribute in NumpyDocString(inspect.cleandoc(base.__doc__))["Attributes"]
    ]
    stated = {part.strip() for attribute in attributes for part in attribute.name.split(",")}
    return {field.name for field in dataclasses.fields(owner) if not field.name.startswith("_")} <= stated


def faults(name):
    """What numpydoc and the list of verbs find; of a member, its verb alone."""
    value = attrgetter(name)(polyrve)
    for code, message in validate(f"polyrve.{name}")["errors"] if "." not in name else []:
        known = code == "PR01" and inspect.isclass(value) and fields_are_stated(value)
        if code in ASKED_OF_EXPORTS and not known:
            yield f"{code} {message}"
    first = (inspect.getdoc(value) or "").split()[:1]
    if not (inspect.isclass(value) or inspect.ismodule(value) or isinstance(value, property)) and not VERBS.issuperset(
        first
    ):
        yield f"the summary begins with {first}, expected one of VERBS"


@pytest.mark.parametrize("name", MODULES)
def test_public_names_pass_numpydoc(name):
    module = importlib.import_module(name)
    assert [
        f"{public}: {code} {message}"
        for public in public_names(module)
        for code, message in validate(public)["errors"]
        if code not in NOT_ASKED
    ] == []


@pytest.mark.parametrize("name", EXPORTS)
def test_exports_say_what_they_take_and_give_with_an_example(name):
    found = {part: list(faults(part)) for part in exported(name)}
    assert {part: said for part, said in found.items() if said} == {}
