"""What a validation shows of itself: description, table, drawing, files."""

import csv
import json
from dataclasses import asdict, replace

import matplotlib.pyplot as plt
import numpy as np
import pytest

from polyrve.report import charts
from polyrve.validation.result import GROUPS, MetricResult, Validation

ROWS = (
    MetricResult("odf", "ODF, misplaced volume", "texture", 0.2, {"z": 0.2, "x": 0.1}, 0.1, 0.4, "pass"),
    MetricResult("size", "grain size, KS", "grains", 0.6, {"z": 0.6}, 0.1, 0.3, "warn"),
    MetricResult("lags", "share of lags", "correlation", 0.5, {"z": 0.5}, 0.8, 0.75, "warn", higher_is_better=True),
    MetricResult("near", "share, near", "correlation", 0.9, {"z": 0.9}, 0.8, 0.75, "pass", higher_is_better=True),
    MetricResult("wide", "index", "texture", 1.0, {"z": 1.0}, 0.1, 2.0, "pass", decisive=False),
    MetricResult(
        "none", "KAM", "in-grain", None, {}, None, None, "not compared", "the map has <no> scatter", decisive=False
    ),
)
VALIDATION = Validation(ROWS, ("A note.",), {"windows": 4}, 84)


@pytest.fixture(autouse=True)
def _no_figure_is_left_open():
    yield
    plt.close("all")


def test_headline_names_what_warns():
    assert VALIDATION.warned == ROWS[1:3]
    assert VALIDATION.headline == f"{VALIDATION.conclusion}; warn: grain size, share of lags"
    many = tuple(
        MetricResult(str(i), f"metric {i}, KS", "grains", 1.0, {}, 0.1, 0.2, "warn") for i in range(12)
    )  # fmt: skip
    assert Validation(many, grains=50).headline.endswith("metric 7 and 4 more")
    assert Validation(ROWS[:1], grains=50).headline == "1 of 1 metrics pass"


def test_a_volume_may_be_beyond_limits_as_windows_of_the_map_are():
    rows = [MetricResult(str(i), f"metric {i}", "grains", 0.1, {}, 0.1, 0.2, "pass") for i in range(20)]
    rows[:4] = [MetricResult(f"off {i}", "off", "grains", 0.3, {}, 0.1, 0.2, "warn") for i in range(4)]
    assert Validation(tuple(rows), grains=50).refused
    assert Validation(tuple(rows), grains=50).excess == pytest.approx(4 * np.log(1.5))
    assert Validation(tuple(rows), grains=50, usual_excess=1.6).refused
    assert not Validation(tuple(rows), grains=50, usual_excess=1.7).refused
    assert Validation(tuple(rows[3:]), grains=50, usual_excess=0.0).refused
    assert not Validation(tuple(rows[4:]), grains=50, usual_excess=0.0).refused
    rows[0] = MetricResult("far", "far", "grains", 0.5, {}, 0.1, 0.2, "warn")
    assert Validation(tuple(rows), grains=50, usual_excess=9.0).refused


def test_description_has_ten_lines_at_most_and_a_line_per_group():
    lines = repr(VALIDATION).splitlines()
    assert len(lines) <= 10
    assert lines[0] == f"Validation: {VALIDATION.headline}"
    assert f"{GROUPS['correlation']}: 1 of 2 pass; warn: lags" in lines
    assert f"{GROUPS['in-grain']}: 0 of 0 pass, 1 not compared" in lines
    shown = VALIDATION._repr_html_()
    assert "&lt;no&gt;" in shown
    assert all(row.title in shown for row in ROWS)


def test_text_counts_what_a_material_lacks_and_lists_the_rest():
    lacking = [replace(ROWS[5], key=key, reason="the map has one phase alone", applies=False) for key in "ab"]
    lines = str(Validation((*lacking, *ROWS), grains=50)).splitlines()
    assert lines.count("2 metrics not compared: the map has one phase alone") == 1
    assert len(lines) == 1 + len(ROWS) + 1 + 1


def test_table_holds_every_metric():
    table = VALIDATION.to_dataframe()
    assert table.index.tolist() == [row.key for row in ROWS]
    for name in ("title", "verdict", "decisive", "reason", "higher_is_better"):
        assert table[name].tolist() == [getattr(row, name) for row in ROWS]
    for name in ("value", "floor", "limit"):
        expected = [np.nan if getattr(row, name) is None else getattr(row, name) for row in ROWS]
        np.testing.assert_array_equal(table[name], expected)
    assert table.value_x["odf"] == 0.1
    assert np.isnan(table.value_x["size"])
    assert Validation(()).to_dataframe().shape[0] == 0


def test_bars_are_as_long_as_values_in_units_of_limits():
    axis = VALIDATION.plot()
    bars = [patch for patch in axis.patches if patch.get_height() == pytest.approx(0.7)]
    lengths = [bar.get_width() for bar in bars]
    assert lengths == pytest.approx([0.2 / 0.4, 2.0, 0.5 / 0.25, 0.1 / 0.25, 0.5])
    assert [bar.get_hatch() for bar in bars] == [None, "///", "///", None, None]
    colors = [plt.matplotlib.colors.to_hex(bar.get_facecolor()).upper() for bar in bars]
    assert colors == [charts.PASS, charts.WARN, charts.WARN, charts.PASS, charts.HARDLY]
    texts = [text.get_text() for text in axis.texts]
    assert "0.6 > 0.3" in texts
    assert "0.5 < 0.75" in texts
    assert "0.2 ≤ 0.4" in texts
    assert "the map has <no> scatter" in texts


def test_colours_differ_in_lightness_too():
    red, green, blue = (np.array([plt.matplotlib.colors.to_rgb(c) for c in (charts.PASS, charts.WARN)])).T
    lightness = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    assert abs(np.diff(lightness)[0]) > 0.05


def test_drawing_goes_into_given_axes():
    figure, axis = plt.subplots()
    assert VALIDATION.plot(axis) is axis
    assert plt.get_fignums() == [figure.number]


def test_limits_of_zero_and_one_are_drawn():
    rows = (
        MetricResult("a", "a", "grains", 0.0, {}, 0.0, 0.0, "pass"),
        MetricResult("b", "b", "grains", 0.1, {}, 0.0, 0.0, "warn"),
        MetricResult("c", "c", "grains", 1.0, {}, 1.0, 1.0, "pass", higher_is_better=True),
    )
    widths = [patch.get_width() for patch in Validation(rows).plot().patches[:3]]
    assert widths == [0.0, 2.0, 0.0]


def test_written_files_hold_the_record(tmp_path):
    VALIDATION.write(tmp_path / "v.json")
    record = json.loads((tmp_path / "v.json").read_text(encoding="utf-8"))
    assert record == json.loads(json.dumps(asdict(VALIDATION)))
    VALIDATION.write(tmp_path / "v.csv")
    with (tmp_path / "v.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["metric"] for row in rows] == [row.key for row in ROWS]
    assert float(rows[0]["value_x"]) == 0.1
    assert rows[5]["reason"] == "the map has <no> scatter"
    with pytest.raises(FileExistsError, match=r"v\.csv"):
        VALIDATION.write(tmp_path / "v.csv")
    VALIDATION.write(tmp_path / "v.csv", force=True)


@pytest.mark.parametrize("name", ["v.txt", "v"])
def test_other_files_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"path: .*\.json or \.csv; got (\.txt|no suffix)"):
        VALIDATION.write(tmp_path / name)
