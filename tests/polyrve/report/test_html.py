import base64
import errno
import io
import json
import os
import re
import select
import shutil
import subprocess
import sys
import time
import zlib
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from jinja2 import UndefinedError
from PIL import Image

import polyrve
from polyrve.adapters.ipf_colors import ipf_colors
from polyrve.crystallography import rotation
from polyrve.crystallography.phase import LAUE_GROUPS, Phase
from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.microstructure.instrument import simulate_scan
from polyrve.microstructure.synthetic import make_specimen
from polyrve.report import html, plots, templates, viewer
from polyrve.report.plots import png
from polyrve.validation.run import compare
from polyrve.validation.stacks import stack_of

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def specimen():
    truth = make_specimen((24, 28, 32), grain_size=6.0, seed=3)
    other = make_specimen((20, 60, 64), grain_size=6.0, seed=4)
    history = [[1, 0, 3.0], [1, 1, 0.5], [2, 0, 0.6], [2, 1, 0.1]]
    volume = truth.field.evolve(provenance={"program": "<b>a test</b>", "history": history})
    return volume, other.field.section(0, 3).evolve(periodic=False)


@pytest.fixture(scope="module")
def written(specimen, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    volume, map_ = specimen
    validation = polyrve.write_report(volume, against=map_, path=path, windows=8, title="A <small> report")
    return path, validation


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def test_page_is_self_contained_and_well_formed(written):
    path, validation = written
    text = path.read_text(encoding="utf-8")
    tags = Tags(text).tags
    loaded = [attrs[name] for _, attrs in tags for name in ("src", "href") if name in attrs]
    assert len(loaded) > 10
    assert all(address.startswith(("data:image/png;base64,", "#")) for address in loaded)
    assert "url(" not in text
    assert "@import" not in text
    assert "fetch(" not in text
    assert not any(tag == "link" for tag, _ in tags)
    assert "A &lt;small&gt; report" in text
    assert "<b>a test</b>" not in text
    ids = {attrs["id"] for _, attrs in tags if "id" in attrs}
    assert {"metrics", "maps", "volume", "texture", "distributions", "variograms", "loss"} <= ids
    assert sum(attrs.get("data-key") is not None for _, attrs in tags) == len(validation.results)


def test_json_holds_the_metrics_and_the_provenance(written):
    path, validation = written
    record = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert [row["key"] for row in record["validation"]["results"]] == [row.key for row in validation.results]
    assert record["validation"]["results"][0]["value"] == validation.results[0].value
    assert record["history"][-1] == [2, 1, 0.1]
    assert record["provenance"]["program"] == "<b>a test</b>"
    assert record["volume"]["shape_zyx"] == [24, 28, 32]
    inside = re.search(r'<script id="report-data" type="application/json">(.*?)</script>', path.read_text(), re.DOTALL)
    assert json.loads(inside.group(1))["report"] == record


class Browser:
    """Chromium driven over its debugging pipe."""

    def __init__(self, folder):
        self.reader, child_writes = os.pipe()
        child_reads, self.writer = os.pipe()
        command = [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--remote-debugging-pipe", f"--user-data-dir={folder}", "--window-size=1300,1000",
        ]  # fmt: skip
        self.process = subprocess.Popen(
            command,
            preexec_fn=lambda: (os.dup2(child_reads, 3), os.dup2(child_writes, 4)),
            pass_fds=(3, 4),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(child_reads)
        os.close(child_writes)
        self.buffer, self.number, self.session, self.events = b"", 0, None, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.writer, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            while b"\0" in self.buffer:
                line, self.buffer = self.buffer.split(b"\0", 1)
                answer = json.loads(line)
                if answer.get("id") == self.number:
                    assert "error" not in answer, answer
                    return answer["result"]
                self.events.append(answer)
            if select.select([self.reader], [], [], 1.0)[0]:
                self.buffer += os.read(self.reader, 1 << 20)
        raise TimeoutError(method)

    def tell(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def press(self, key):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, text=key if len(key) == 1 else "")

    def mouse(self, kind, x, y, **more):
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def close(self):
        self.process.terminate()
        self.process.wait(timeout=20)
        os.close(self.reader)
        os.close(self.writer)


@pytest.fixture
def browser(tmp_path):
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    browser = Browser(tmp_path / "profile")
    yield browser
    browser.close()


def test_slice_viewer_in_a_browser_with_mouse_and_keyboard(written, specimen, browser):
    volume, _ = specimen
    for domain in ("Page", "Runtime", "Network"):
        browser.call(f"{domain}.enable")
    browser.call("Page.navigate", url=written[0].as_uri())
    for _ in range(200):
        if (
            browser.tell("document.readyState === 'complete' && document.getElementById('viewer')?.dataset.ready")
            == "yes"
        ):
            break
        time.sleep(0.1)
    else:
        pytest.fail("the viewer did not start")

    def index(axis):
        shown = browser.tell(f"document.querySelector('[data-axis={axis}] .index').textContent")
        return int(shown.split(" of ")[0]) - 1

    def place(axis, along, down):
        browser.tell(f"document.querySelector('[data-axis={axis}] canvas').scrollIntoView({{block: 'center'}})")
        box = json.loads(
            browser.tell(f"JSON.stringify(document.querySelector('[data-axis={axis}] canvas').getBoundingClientRect())")
        )
        return box["left"] + along * box["width"], box["top"] + down * box["height"]

    assert [index(axis) for axis in "zyx"] == [12, 14, 16]
    browser.tell("document.querySelector('[data-axis=z] canvas').focus()")
    browser.press("ArrowRight")
    browser.press("ArrowRight")
    browser.press("ArrowDown")
    assert index("z") == 13
    browser.press("End")
    assert index("z") == 23
    browser.press("ArrowRight")
    assert index("z") == 0
    browser.press("PageUp")
    assert index("z") == 8
    x, y = place("y", 0.5, 0.5)
    browser.mouse("mouseWheel", x, y, deltaX=0, deltaY=120, modifiers=8)
    for _ in range(50):
        if index("y") != 14:
            break
        time.sleep(0.05)
    assert index("y") == 15
    before = browser.tell("window.scrollY")
    browser.mouse("mouseWheel", x, y, deltaX=0, deltaY=-120)
    for _ in range(50):
        if browser.tell("window.scrollY") != before:
            break
        time.sleep(0.05)
    assert browser.tell("window.scrollY") < before
    assert index("y") == 15
    x, y = place("x", (20 + 0.5) / 28, (5 + 0.5) / 24)
    browser.mouse("mousePressed", x, y, button="left", buttons=1, clickCount=1)
    browser.mouse("mouseReleased", x, y, button="left", clickCount=1)
    assert [index(axis) for axis in "zyx"] == [5, 20, 16]
    assert browser.tell("document.activeElement.tagName") == "CANVAS"
    assert "voxel x 16, y 20, z 5: grain " in browser.tell("document.querySelector('#viewer .readout').textContent")
    browser.press("b")
    browser.press("c")
    assert browser.tell("document.querySelector('[name=boundaries]').checked") is False
    browser.tell(
        "const s = document.querySelector('[name=colour]'); s.value = 'ipf-x'; s.dispatchEvent(new Event('change'))"
    )
    for axis, (name, place) in enumerate(zip("zyx", (5, 20, 16), strict=True)):
        section = volume.section(axis, place)
        rows, columns = section.shape
        expected = ipf_colors(section.quaternions, section.phase_ids, section.phases, (1.0, 0.0, 0.0))
        shown = browser.tell(
            f"(() => {{ const c = document.querySelector('[data-axis={name}] canvas'); const k = c.getContext('2d');"
            f"const w = c.width / {columns}, h = c.height / {rows}, out = [];"
            f"for (let r = 0; r < {rows}; r++) for (let s = 0; s < {columns}; s++)"
            "out.push(...k.getImageData(Math.floor((s + 0.5) * w), Math.floor((r + 0.5) * h), 1, 1).data.slice(0, 3));"
            "return out; })()"
        )
        np.testing.assert_array_equal(np.array(shown).reshape(rows, columns, 3), expected)
    requests = [e["params"]["request"]["url"] for e in browser.events if e.get("method") == "Network.requestWillBeSent"]
    assert all(url.startswith(("file:", "data:")) for url in requests)
    assert not [event for event in browser.events if event.get("method") == "Runtime.exceptionThrown"]
    assert browser.tell("[...document.images].every((i) => i.complete && i.naturalWidth > 0)") is True
    assert browser.tell("document.documentElement.scrollWidth <= window.innerWidth") is True


def test_a_volume_alone_is_shown_and_not_compared(specimen, tmp_path):
    volume = specimen[0].evolve(provenance={})
    assert polyrve.write_report(volume, path=tmp_path / "new" / "alone.html") is None
    text = (tmp_path / "new" / "alone.html").read_text(encoding="utf-8")
    assert "there is no map to compare it with" in text
    assert 'id="loss"' not in text
    assert json.loads((tmp_path / "new" / "alone.json").read_text())["validation"] is None


def test_the_headline_says_pass_for_decisive_metrics_alone(written):
    text = written[0].read_text(encoding="utf-8")
    validation = written[1]
    assert validation.headline in text
    assert all(row.title.split(",")[0] in validation.headline for row in validation.warned)
    assert text.count("not decisive</span>") == validation.hardly_failed
    rows = tuple(replace(row, verdict="pass", value=0.0, reason="", decisive=True) for row in validation.results)
    assert html._headline(replace(validation, results=rows, grains=50))[1] == "pass"
    for other in (
        replace(validation, results=rows, grains=3),
        replace(validation, results=tuple(replace(row, decisive=n % 2 == 0) for n, row in enumerate(rows)), grains=50),
    ):
        headline, kind = html._headline(other)
        assert headline.startswith("Inconclusive: ")
        assert kind == "warn"


def test_map_without_indexed_points_says_why_nothing_is_judged(specimen, tmp_path):
    volume, map_ = specimen
    empty = OrientationMap(np.array(map_.quaternions), np.zeros(map_.shape, dtype=int), map_.phases, map_.spacing)
    validation = polyrve.write_report(volume, against=empty, path=tmp_path / "r.html")
    assert [row.key for row in validation.results if row.verdict != "not compared"] == ["seam"]
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Nothing could be compared." in text
    assert text.count("the map has no indexed points") >= len(validation.results)
    assert 'data-key="seam"' in text


@pytest.fixture(scope="module")
def three_maps():
    other = make_specimen((40, 44, 48), grain_size=6.0, elongation=(0.7, 1.0, 1.5), seed=5)
    return {"zyx"[axis]: simulate_scan(other, axis, 3, seed=axis) for axis in range(3)}


def test_three_maps_are_all_shown_each_beside_its_sections(specimen, three_maps, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(plots, "png", lambda drawing, **options: drawn.append(drawing) or png(drawing, 40))
    path = tmp_path / "three.html"
    turned = dict(reversed(three_maps.items()))
    validation = polyrve.write_report(specimen[0], against=turned, path=path, windows=5)
    text = path.read_text(encoding="utf-8")
    alternatives = [attrs.get("alt") for tag, attrs in Tags(text).tags if tag == "img"]
    assert alternatives.count("distributions") == 3
    assert alternatives.count("madogram maps and relative error") == 3
    for name in "zyx":
        assert text.count(f"<h3>Normal to {name}</h3>") == 2
        assert f"<dt>Map normal to {name}</dt>" in text
    titles = [[axis.get_title() for axis in drawing.axes] for drawing in drawn]
    (maps,) = [names for names in titles if "map normal to z" in names]
    facts = [text.index(f"<dt>Map normal to {name}</dt>") for name in "zyx"]
    assert facts == sorted(facts)
    assert re.search(r"<span>z&nbsp;\S+</span> <span>y&nbsp;\S+</span> <span>x&nbsp;", text)
    above, below = [f"map normal to {name}" for name in "zyx"], [f"RVE, normal to {name}" for name in "zyx"]
    assert maps == 2 * [*above, *below]
    beside = [[text.get_text() for axis in drawing.axes for text in axis.texts] for drawing in drawn]
    assert sum([name for name in names if name in (*above, "RVE")] == [*above, "RVE"] for names in beside) == 2
    bands = [len(axis.collections) for drawing in drawn for axis in drawing.axes if axis.get_title() == "chord length"]
    assert bands == [1, 1, 1]
    assert set(validation["odf_5"].per_axis) == {"z", "y", "x"}


def test_normals_without_a_map_stay_empty(specimen, three_maps):
    comparison = compare({name: three_maps[name] for name in "zx"}, specimen[0], windows=1)
    rows = html._panels(specimen[0], comparison)
    assert [[panel and panel[0] for panel in row] for row in rows] == [
        ["map normal to z", None, "map normal to x"],
        ["RVE, normal to z", "RVE, normal to y", "RVE, normal to x"],
    ]
    image = Image.open(io.BytesIO(plots.ipf_maps(rows, 5.0)))
    assert min(image.size) > 200


def test_a_report_that_fails_leaves_the_old_one(specimen, tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old")
    path.with_suffix(".json").write_text("old")
    original = type(path).write_text

    def full(self, text, **options):
        if self.suffix == ".html":
            raise OSError(errno.ENOSPC, "full")
        return original(self, text, **options)

    monkeypatch.setattr(type(path), "write_text", full)
    with pytest.raises(OSError, match="disk full while writing"):
        polyrve.write_report(specimen[0], path=path)
    assert [path.read_text(), path.with_suffix(".json").read_text()] == ["old", "old"]
    assert sorted(found.name for found in tmp_path.iterdir()) == ["report.html", "report.json"]


def test_points_of_each_phase_are_told(tmp_path):
    phases = (Phase("Al"), Phase("Mg", "6/mmm"))
    other = make_specimen((16, 40, 44), grain_size=6.0, phases=phases, phase_fractions=(0.7, 0.3), seed=1).field
    volume = make_specimen((16, 18, 20), grain_size=6.0, phases=phases, phase_fractions=(0.7, 0.3), seed=2).field
    map_ = other.section(0, 3).evolve(periodic=False)
    polyrve.write_report(volume, against=map_, path=tmp_path / "two.html", windows=5)
    text = (tmp_path / "two.html").read_text(encoding="utf-8")
    for number, name in enumerate(("Al", "Mg"), start=1):
        counts = [(field.phase_ids == number).sum() for field in (map_, volume)]
        assert re.search(rf"<h3>{name}: map {counts[0]} points \(\S+ %\), RVE {counts[1]} points", text)
    assert "hemisphere towards the viewer (-z), x right, y down" in text


@pytest.mark.parametrize("decades", [0.3, 1.0, 5.0])
def test_the_loss_axis_has_several_labels(decades, monkeypatch):
    drawn = []
    monkeypatch.setattr(plots, "png", lambda drawing: drawn.append(drawing) or png(drawing))
    plots.loss_history([[1, i, 4e-3 * 10 ** (decades * (1 - i / 20))] for i in range(21)])
    axis = drawn[0].axes[0]
    low, high = axis.get_ylim()
    ticks = [*axis.yaxis.get_major_ticks(), *axis.yaxis.get_minor_ticks()]
    assert sum(bool(tick.label1.get_text()) and low <= tick.get_loc() <= high for tick in ticks) >= 2


@pytest.mark.parametrize("laue", ["2/m", "6/mmm"])
def test_pole_figures_of_other_crystals_are_drawn(laue):
    rng = np.random.default_rng(1)
    q = rotation.random_orientations((6, 7), rng)
    sample = stack_of(OrientationMap(q, np.ones((6, 7), dtype=int), (Phase("x", laue),), (1.0, 1.0)), 5.0)
    for draw in (plots.pole_figures, plots.inverse_pole_figures):
        image = np.asarray(Image.open(io.BytesIO(draw([("map", sample), ("RVE", sample)], 1))).convert("RGB"))
        half = len(image) // 2
        colourful = (image.max(axis=2).astype(int) - image.min(axis=2)) > 40
        assert colourful[:half].mean() > 0.05
        assert colourful[half:].mean() > 0.05


def test_atlas_keeps_every_voxel():
    colors = np.random.default_rng(0).integers(0, 256, (5, 3, 4, 3), dtype=np.uint8)
    content, columns = plots.atlas(colors)
    image = np.asarray(Image.open(io.BytesIO(content)))
    for z in range(5):
        top, left = z // columns * 3, z % columns * 4
        np.testing.assert_array_equal(image[top : top + 3, left : left + 4], colors[z])


def test_importing_the_room_is_light():
    heavy = ("matplotlib", "orix", "tensorflow", "jinja2")
    check = f"import sys, polyrve.report; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_pictures_are_png(written):
    tags = Tags(written[0].read_text(encoding="utf-8")).tags
    sources = [attrs["src"] for tag, attrs in tags if tag == "img"]
    for source in sources:
        image = Image.open(io.BytesIO(base64.b64decode(source.split(",")[1])))
        assert min(image.size) > 20
        assert len(image.convert("RGB").getcolors(1 << 22)) > 5


@pytest.mark.parametrize("laue", LAUE_GROUPS)
def test_colours_do_not_depend_on_the_equivalent_that_is_written(laue):
    q = rotation.random_orientations(2000, np.random.default_rng(2))
    phases, ids = (Phase("x", laue),), np.ones(2000, dtype=int)
    colors = ipf_colors(q, ids, phases).astype(int)
    for s in phases[0].symmetry:
        other = ipf_colors(rotation.multiply(s, q), ids, phases).astype(int)
        assert (np.abs(other - colors).max(axis=1) > 20).mean() < 0.01


def test_grain_ids_come_to_the_browser_as_numbers():
    ids = np.random.default_rng(0).integers(0, 300, (3, 4, 5))
    for values, kind in ((ids, "<u2"), (ids * 1000, "<u4")):
        packed = viewer.packed(values)
        content = zlib.decompress(base64.b64decode(packed["deflate"]))
        assert packed["type"] == {"<u2": "uint16", "<u4": "uint32"}[kind]
        np.testing.assert_array_equal(np.frombuffer(content, kind).reshape(3, 4, 5), values)
    script = (html.Path(viewer.__file__).parent / "viewer.js").read_text(encoding="utf-8")
    assert "getImageData" not in script


def test_boundaries_of_any_angle_are_drawn(tmp_path):
    """The last of the bins counts: orientations of a triclinic crystal are up to 180 degrees apart."""
    rng = np.random.default_rng(0)
    phases = (Phase("x", "-1"),)
    q = rotation.random_orientations((12, 14), rng)
    map_ = OrientationMap(q, np.ones((12, 14), dtype=int), phases, (1.0, 1.0))
    volume = OrientationVolume(
        rotation.random_orientations((8, 9, 10), rng), np.ones((8, 9, 10), dtype=int), phases, (1.0, 1.0, 1.0)
    )
    comparison = compare(map_, volume, windows=5)
    assert comparison.pairs["z"][0].neighbour_angles.max() > 175.0
    assert Image.open(io.BytesIO(plots.distributions(comparison, ["z"]))).width > 500


def test_a_drawing_that_fails_does_not_cost_the_page(specimen, tmp_path, monkeypatch):
    def broken(*_):
        raise TypeError("'x' has size 36 <b>")

    volume, map_ = specimen
    for name in ("ipf_maps", "pole_figures", "distributions", "madogram_maps", "volume_colors", "color_key"):
        monkeypatch.setattr(plots, name, broken)
    with pytest.warns(UserWarning, match=r"r\.html: .*distributions could not be drawn, TypeError: 'x' has") as told:
        validation = polyrve.write_report(volume, against=map_, path=tmp_path / "r.html", windows=5)
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert text.count('class="failed"') == 6
    assert [warning.filename for warning in told if "drawn" in str(warning.message)] == [__file__]
    assert "&#39;x&#39; has size 36 &lt;b&gt;" in text
    assert sum(attrs.get("data-key") is not None for _, attrs in Tags(text).tags) == len(validation.results)
    assert json.loads((tmp_path / "r.json").read_text())["validation"]["results"]


@pytest.mark.parametrize("rows", [5, 4, 3])
def test_a_map_of_another_height_is_reported(specimen, tmp_path, rows):
    volume, map_ = specimen
    polyrve.write_report(volume[:8, :9, :10], against=map_[:rows, :30], path=tmp_path / "r.html", windows=5)
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert 'class="failed"' not in text
    assert 'data-key="odf_5"' in text


def test_a_map_is_no_volume_to_report(specimen, tmp_path):
    with pytest.raises(ValueError, match=r"rve: .* got OrientationMap: scan\.plot\(\)"):
        polyrve.write_report(specimen[1], path=tmp_path / "r.html")


def test_page_fits_narrow_screens_and_follows_the_scheme(written, browser):
    browser.call("Page.enable")
    colors = {}
    for scheme in ("light", "dark"):
        browser.call(
            "Emulation.setDeviceMetricsOverride", width=400, height=800, deviceScaleFactor=1, mobile=True
        )  # fmt: skip
        browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        browser.call("Page.navigate", url=written[0].as_uri())
        for _ in range(100):
            if browser.tell("document.readyState") == "complete":
                break
            time.sleep(0.1)
        assert browser.tell("document.documentElement.scrollWidth <= 400") is True
        colors[scheme] = browser.tell("getComputedStyle(document.body).backgroundColor")
        narrow = (
            "[...document.querySelectorAll('.metrics td')].every((cell) => cell.getBoundingClientRect().right <= 400)"
        )
        assert browser.tell(narrow) is True
        assert browser.tell("getComputedStyle(document.querySelector('#viewer canvas')).touchAction") == "manipulation"
    assert colors["light"] != colors["dark"]


def test_templates_escape_what_they_are_given():
    shown = templates.render("metrics_alone.html", groups=[("<i>", [])], headline="<b>")
    assert "&lt;b&gt;" in shown
    assert "&lt;i&gt;" in shown
    with pytest.raises(UndefinedError):
        templates.render("metrics_alone.html", groups=[])
