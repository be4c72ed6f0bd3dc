"""What plays simplnx takes and refuses what simplnx does; where that is installed, both are asked."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

INSTALLED = ["played_simplnx", *(["simplnx"] if importlib.util.find_spec("simplnx") else [])]


@pytest.fixture(params=INSTALLED)
def nx(request):
    return importlib.import_module(request.param)


def named(nx, kind, *rest, default):
    return getattr(nx, kind)("key", "Title", "Help.", default, *rest)


def parameters(nx, *items):
    found = nx.Parameters()
    for item in items:
        found.insert(item)
    return found


def linked(nx, group, child, value):
    found = nx.Parameters()
    found.insert_linkable_parameter(nx.BoolParameter("switch", "Switch", "", False))
    found.insert_linkable_parameter(nx.ChoicesParameter("choice", "Choice", "", 0, ["a", "b"]))
    found.insert(nx.StringParameter("text", "Text", "", ""))
    found.link_parameters(group, child, value)


TAKEN = {
    "path of a text": lambda nx: nx.DataPath("A/B").create_child_path("C").parts() == ["A", "B", "C"],
    "path of a list": lambda nx: nx.DataPath(["A", "B"]).parent().to_string("/") == "A",
    "path of a path": lambda nx: len(nx.DataPath(nx.DataPath("A/B"))) == 2,
    "no path": lambda nx: len(nx.DataPath()) == 0,
    "empty parts": lambda nx: len(nx.DataPath(["A", ""])) == 1,
    "paths are told apart by what they are": lambda nx: nx.DataPath("A") != nx.DataPath("A"),
    "nothing there": lambda nx: nx.DataStructure()[nx.DataPath("A")] is None and nx.DataStructure()["A/B"] is None,
    "nothing within": lambda nx: nx.DataStructure().get_children(nx.DataPath("A")) == [],
    "a result": lambda nx: nx.Result(warnings=[nx.Warning(-1, "a")]).valid(),
    "no errors": lambda nx: nx.Result(errors=[]).invalid(),
    "an error": lambda nx: nx.Result([nx.Error(-1, "a")]).errors[0].code == -1,
    "progress": lambda nx: nx.IFilter.ProgressMessage("a", 5).message == "a",
    "numbers of NumPy": lambda nx: named(nx, "Int32Parameter", default=np.int64(3)),
    "whole numbers for lengths": lambda nx: named(nx, "Float64Parameter", default=3),
    "three numbers": lambda nx: named(nx, "VectorUInt64Parameter", ["x", "y"], default=[1, 2]),
    "a path for a file": lambda nx: named(
        nx, "FileSystemPathParameter", {".A", "b"}, nx.FileSystemPathParameter.PathType.OutputFile, default=Path("a.a")
    ),
    "an action": lambda nx: nx.OutputActions().append_action(
        nx.CreateArrayAction(nx.DataType.int32, [1, 2], [3], nx.DataPath("A"))
    ),
    "a link to a switch": lambda nx: linked(nx, "switch", "text", False),
    "a link to a choice": lambda nx: linked(nx, "choice", "text", 1),
    "a type of NumPy": lambda nx: nx.convert_np_dtype_to_datatype(np.dtype("bool")) == nx.DataType.boolean,
    "a default out of range": lambda nx: named(nx, "ChoicesParameter", ["a"], default=5),
}
REFUSED = {
    "a text that is no uuid": (ValueError, lambda nx: nx.Uuid("abc")),
    "slashes in names": (ValueError, lambda nx: nx.DataPath(["A/B"])),
    "a child without a text": (TypeError, lambda nx: nx.DataPath("A").create_child_path(1)),
    "a part behind a path": (TypeError, lambda nx: nx.DataPath("A").create_child_path(nx.DataPath("B"))),
    "a key of another kind": (TypeError, lambda nx: nx.DataStructure()[3]),
    "a membership by text": (TypeError, lambda nx: "A" in nx.DataStructure()),
    "a code with a fraction": (TypeError, lambda nx: nx.Error(-1.5, "a")),
    "a message without a text": (TypeError, lambda nx: nx.Error(-1, None)),
    "texts for errors": (TypeError, lambda nx: nx.Result(errors=["a"])),
    "percent with a fraction": (TypeError, lambda nx: nx.IFilter.ProgressMessage("a", 5.5)),
    "a message without a type": (TypeError, lambda nx: nx.IFilter.Message("a")),
    "a value that is no text": (TypeError, lambda nx: nx.IFilter.PreflightValue("a", 1)),
    "a text that is none": (TypeError, lambda nx: nx.IFilter.PreflightValue("a", "\udcff")),
    "actions and errors": (
        ValueError,
        lambda nx: nx.IFilter.PreflightResult(output_actions=nx.OutputActions(), errors=[nx.Error(-1, "a")]),
    ),
    "a negative size": (TypeError, lambda nx: nx.CreateAttributeMatrixAction(nx.DataPath("A"), [-1])),
    "a size with a fraction": (TypeError, lambda nx: nx.CreateAttributeMatrixAction(nx.DataPath("A"), [1.0])),
    "one size": (TypeError, lambda nx: nx.CreateAttributeMatrixAction(nx.DataPath("A"), 1)),
    "a text for a path": (TypeError, lambda nx: nx.CreateDataGroupAction("A")),
    "a type of NumPy for an array": (
        TypeError,
        lambda nx: nx.CreateArrayAction(np.dtype("int32"), [1], [1], nx.DataPath("A")),
    ),
    "no action": (TypeError, lambda nx: nx.OutputActions().append_action(nx.DataPath("A"))),
    "a type without a counterpart": (ValueError, lambda nx: nx.convert_np_dtype_to_datatype(np.dtype("float16"))),
    "the name of a type": (TypeError, lambda nx: nx.convert_np_dtype_to_datatype("int32")),
    "one key twice": (
        ValueError,
        lambda nx: parameters(nx, nx.StringParameter("a", "A", "", ""), nx.BoolParameter("a", "A", "", True)),
    ),
    "another linkable": (
        TypeError,
        lambda nx: nx.Parameters().insert_linkable_parameter(nx.StringParameter("a", "A", "", "")),
    ),
    "a link to nothing": (ValueError, lambda nx: linked(nx, "nothing", "text", True)),
    "a link of nothing": (ValueError, lambda nx: linked(nx, "switch", "nothing", True)),
    "a link of a switch": (ValueError, lambda nx: linked(nx, "choice", "switch", 1)),
    "a link to what is no switch": (ValueError, lambda nx: linked(nx, "text", "text", True)),
    "names of another number": (RuntimeError, lambda nx: named(nx, "VectorFloat64Parameter", ["x"], default=[1, 2])),
    "no numbers": (RuntimeError, lambda nx: named(nx, "VectorFloat64Parameter", [], default=[])),
    "a negative index": (TypeError, lambda nx: named(nx, "ChoicesParameter", ["a"], default=-1)),
    "a number too large": (TypeError, lambda nx: named(nx, "Int32Parameter", default=2**31)),
    "a number for a text": (TypeError, lambda nx: named(nx, "StringParameter", default=1)),
    "a list of endings": (
        TypeError,
        lambda nx: named(
            nx, "FileSystemPathParameter", [".a"], nx.FileSystemPathParameter.PathType.InputFile, default=""
        ),
    ),
    "an empty ending": (
        RuntimeError,
        lambda nx: named(
            nx, "FileSystemPathParameter", {""}, nx.FileSystemPathParameter.PathType.InputFile, default=""
        ),
    ),
    "a text for a data path": (TypeError, lambda nx: named(nx, "DataGroupCreationParameter", default="A")),
    "a list of types": (
        TypeError,
        lambda nx: named(nx, "ArraySelectionParameter", [nx.DataType.int32], [[1]], default=nx.DataPath()),
    ),
    "components without lists": (
        TypeError,
        lambda nx: named(nx, "ArraySelectionParameter", {nx.DataType.int32}, [1], default=nx.DataPath()),
    ),
}


@pytest.mark.parametrize("case", TAKEN)
def test_taken(nx, case):
    assert TAKEN[case](nx) is not False


@pytest.mark.parametrize("case", REFUSED)
def test_refused(nx, case):
    kind, call = REFUSED[case]
    with pytest.raises(kind):
        call(nx)
