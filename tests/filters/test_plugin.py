import inspect
import json
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from polyrve.adapters.registry import FormatError
from polyrve.adapters.solvers import damask
from polyrve.adapters.solvers.damask import LOAD_CASES
from polyrve.filters import get_plugin, structure
from polyrve.filters.filter import Cancelled, Filter, error_code, error_sentence, warning_code
from polyrve.filters.parameters import settings_list
from polyrve.filters.Plugin import FILTERS
from polyrve.filters.ValidateOrientationVolumeFilter import TEXTS, VERDICTS, columns_of, table
from polyrve.filters.WriteDAMASKFilesFilter import LOADS
from polyrve.validation.run import MetricResult, Validation

FOLDER = Path(sys.modules["polyrve.filters"].__file__).resolve().parent

IDENTIFIERS = {
    "ReadEBSDFilter": "a57f58da-2a0c-4329-9166-ea376bcfdc53",
    "ReconstructOrientationVolumeFilter": "d3fc0140-414c-4e7b-878b-d614e7df099d",
    "WriteDAMASKFilesFilter": "47b30ab6-fe5e-43d2-b7e3-122a427a4870",
    "WriteOrientationVolumeFilter": "3a0efeb8-0f16-4025-9cdc-5d488fc1e467",
    "ValidateOrientationVolumeFilter": "eb9b89dd-fd04-4646-b572-308d47632451",
    "ComputeResponseBoundsFilter": "3cc929b9-1a31-4cfa-81a3-091746ca67ae",
}
"""Pipelines find filters by these: they never change."""


def test_plugin_lists_its_filters():
    assert {kind.__name__: kind.identifier for kind in get_plugin().get_filters()} == IDENTIFIERS
    assert len({kind.number for kind in FILTERS}) == len(FILTERS)
    assert len({kind.title for kind in FILTERS}) == len(FILTERS)


@pytest.mark.parametrize("kind", FILTERS)
def test_each_filter_has_its_file_and_its_page(kind):
    assert (FOLDER / f"{kind.__name__}.py").exists()
    page = (FOLDER / "docs" / f"{kind.__name__}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {kind.title}\n")
    assert f"-86{kind.number}" in page
    assert kind().name() == kind().class_name() == kind.__name__
    assert kind().parameters_version() == 1
    assert type(kind().clone()) is kind
    assert kind().default_tags()[0] == "python"


def test_plugin_imports_without_simplnx_and_tensorflow():
    code = (
        "import sys; sys.modules['simplnx'] = None; sys.modules['tensorflow'] = None; "
        "import polyrve.filters; [kind() for kind in polyrve.filters.get_plugin().get_filters()]; print('fine')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == "fine\n", done.stderr


def test_entry_point_is_declared():
    text = (Path(__file__).resolve().parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    assert re.search(r'\[project.entry-points."simplnx.plugins"\]\npolyrve = "polyrve.filters"', text)


def test_conda_environment_is_complete():
    text = (FOLDER / "environment.yml").read_text(encoding="utf-8")
    for words in ("bluequartzsoftware", "dream3dnx", "- pip", "pip install"):
        assert words in text
    assert not re.search(r"^ *- simplnx\b", text, re.MULTILINE)


def test_example_pipelines_have_the_newest_versions_of_parameters():
    text = (FOLDER.parent / "examples/pipelines/from_dream3d.d3dpipeline").read_text(encoding="utf-8")
    (imported,) = (
        step["args"]["import_data_object"]
        for step in json.loads(text)["pipeline"]
        if step["filter"]["name"] == "nx::core::ReadDREAM3DFilter"
    )
    assert imported["version"] == 2
    assert imported["value"]["path_import_policy"] == 0


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ValueError("x"), 1), (FormatError("a", "b"), 2), (FileNotFoundError("x"), 2), (MemoryError("x"), 3),
        (ImportError("x"), 4), (RuntimeError("x"), 5), (KeyError("x"), 9),
    ],
)  # fmt: skip
def test_error_codes(error, kind):
    for item in FILTERS:
        code = error_code(error, item.number)
        assert code == -(86000 + 100 * item.number + kind)
        assert code % 256, "nxrunner's exit code would be 0"
        assert warning_code(item.number) != code
    assert ("fault of polyrve" in error_sentence(error)) == (kind == 9)


def test_a_cancelled_filter_has_no_error(simplnx):
    class Patient(Filter):
        def run(self, data, args, say, cancelled):
            raise Cancelled("cancelled")

    result = Patient().execute_impl({}, {}, None, True)
    assert result.valid()
    assert result.warnings == []


def test_names_that_are_no_text_are_shown_all_the_same(simplnx):
    class Broken(Filter):
        number = 9

        def plan(self, data, args, actions):
            warnings.warn("b\udcff", stacklevel=1)
            return {"File": "a\udcff"}

        def run(self, data, args, say, cancelled):
            say("a\udcff", 1)
            raise ValueError("a\udcff")

    planned = Broken().preflight_impl({}, {}, None, False)
    assert [item.value for item in planned.output_values] == ["a?"]
    assert [item.message for item in planned.result.warnings] == ["b?"]
    told = []
    result = Broken().execute_impl({}, {}, told.append, False)
    assert [item.message for item in (*told, *result.errors)] == ["a?", "a?"]


def test_sentences_have_one_line():
    assert error_sentence(ValueError("a\n  b")) == "a b"
    assert error_sentence(OSError(28, "No space left", "out.vti")) == "out.vti: No space left"


def test_options_on_the_page_of_damask_are_those_of_its_writer():
    page = (FOLDER / "docs" / "WriteDAMASKFilesFilter.md").read_text(encoding="utf-8")
    rows = [row for row in page.splitlines() if row.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`(\w+)=", row)}
    assert {"load", "axes", "increments", "resolution", "columns", "mirror", "buffer"} <= named
    assert named <= set(inspect.signature(damask.write).parameters)


def test_choices_that_pipelines_store_by_index():
    """New ones are appended; these keep their places."""
    assert structure.FRAMES[:10] == (
        "as it is", "none", "edax-1", "edax-2", "edax-3", "edax-4", "oxford-cs0", "oxford-cs1", "bruker", "bruker-5",
    )  # fmt: skip
    assert structure.AXES[:3] == ("none", "x", "y")
    assert LOADS[:6] == ("tension", "compression", "shear", "plane-strain", "rolling", "cyclic")
    assert set(LOADS) == set(LOAD_CASES)
    choices = {setting.key: setting.choices for setting in settings_list() if setting.choices}
    assert choices["descriptors"][:2] == ("default", "paper")
    assert choices["start"][:4] == ("auto", "polycrystal", "exemplar", "random")
    assert choices["optimizer"][:10] == (
        "lbfgs", "barzilai-borwein", "adam", "adamax", "adagrad", "rmsprop", "sgd", "scipy-lbfgsb", "scipy-tnc",
        "scipy-cg",
    )  # fmt: skip
    assert set(choices) == {"blocks", "descriptors", "start", "noise", "unknowns", "optimizer", "grade"}


def test_metrics_as_a_table():
    rows = (
        MetricResult(
            "a", "A", "texture", 0.25, {"z": 0.25, "x": 0.125}, 0.1, 0.5, "pass", reference=1.0, measured=2.0, unit="um"
        ),
        MetricResult("b", "B", "grains", None, {}, None, None, "not compared", "too few", decisive=False),
    )
    numbers, texts = table(Validation(rows))
    assert numbers["Value"][0] == 0.25
    assert numbers["ValuePerAxis"][0, 0] == 0.125
    assert str(numbers["ValuePerAxis"][0, 1]) == "nan"
    assert numbers["ValuePerAxis"][0, 2] == 0.25
    assert [VERDICTS[int(i)] for i in numbers["VerdictNumber"].ravel()] == ["pass", "not compared"]
    assert numbers["Decisive"].ravel().tolist() == [True, False]
    assert texts["Reason"] == ["", "too few"]
    assert set(numbers) == {column.name for column in columns_of()}
    assert set(texts) == set(TEXTS)
    assert all(len(values) == 2 for values in (*numbers.values(), *texts.values()))


def test_normals_of_maps():
    def normals(used):
        return structure.normals_of({"axis": 0} | {f"use_{normal}_map": normal in used for normal in "xyz"})

    assert [normals(used) for used in ("z", "zx", "yx", "zyx")] == ["z", "xz", "xy", "xyz"]
    for used in ("", "x", "y"):
        with pytest.raises(ValueError, match="normal to z"):
            normals(used)
