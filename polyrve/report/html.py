"""The HTML report of a volume: one file that needs no network, and the same numbers as JSON."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from polyrve.adapters.replacing import replacing
from polyrve.microstructure.axes import planar
from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.microstructure.grains import GrainMap, GrainVolume
from polyrve.microstructure.links import DEFAULT_THRESHOLD
from polyrve.microstructure.segmentation import segment
from polyrve.steps import announced
from polyrve.user_line import user_line

if TYPE_CHECKING:
    from polyrve.crystallography.crystal import Crystal
    from polyrve.microstructure.map_placement import Maps
    from polyrve.report.plots import Panel
    from polyrve.validation.comparison import Comparison
    from polyrve.validation.result import Validation
    from polyrve.validation.section_stack import SectionStack

_AXES = {"z": ("y", "x"), "y": ("z", "x"), "x": ("z", "y")}
_ABOUT_METRICS = (
    "Each metric compares the volume's sections with the map; the worst of the section normals counts. The floor is "
    "the median, the limit the 95 % bound of what random windows of the map, of the sections' size, give against the "
    "whole map. A pass is not decisive where the limit is so wide that hardly any volume fails it: a distance of more "
    "than 0.6, an error of more than 1, a share of lags that chance gives. Where there are several maps, each serves "
    "the sections of its normal, and the metrics of texture compare with all of them together. The bar shows the value "
    "against the limit (mark)."
)

_COSTS = {
    "IPF colour keys": 1, "IPF maps": 6, "volume in three dimensions": 26, "slice viewer": 6, "pole figures": 33,
    "inverse pole figures": 30, "distributions": 6, "madogram maps and relative error": 12, "loss history": 1,
}  # fmt: skip
"""Tenths of a second that drawings take a core: of a map of 96 x 96 points, a volume of 48 x 48 x 48 voxels."""

Block = dict[str, Any]
"""A part of a section: its ``kind``, and what the template shows of it."""


def write_report(
    rve: OrientationVolume | GrainVolume,
    against: Maps | GrainMap | OrientationVolume | GrainVolume | None = None,
    path: str | Path = "report.html",
    *,
    history: Sequence[Sequence[float]] | None = None,
    threshold: float = DEFAULT_THRESHOLD,
    windows: int = 40,
    seed: int = 0,
    title: str = "Report of a reconstructed volume",
    between: Callable[[], object] = lambda: None,
    crystals: Sequence[Crystal] = (),
) -> Validation | None:
    """Validate a volume and write the comparison as a page, with its numbers as .json beside it.

    Parameters
    ----------
    rve : OrientationVolume or GrainVolume
    against : OrientationMap, sequence or mapping of OrientationMap, OrientationVolume or GrainVolume, optional
        The map or maps that the volume was made from, or its truth; see :func:`polyrve.validate`. Without it the
        volume is shown and not compared.
    path : path-like
    history : sequence of (level, iteration, loss), optional
        Loss history; by default the one in the volume's provenance.
    threshold : float, degrees
        Of grain boundaries.
    windows, seed : int
        Of the acceptance floor.
    title : str
    between : callable, optional
    crystals : sequence of Crystal
        As for :func:`polyrve.validate`.

    Returns
    -------
    Validation or None
        None without ``against``.

    Raises
    ------
    ValueError
        If `rve` is no volume, or as :func:`polyrve.validate` does.

    Warns
    -----
    UserWarning
        If a drawing cannot be made: the page says so in its place, and holds everything else.

    See Also
    --------
    polyrve.validate : Compare without a page.

    Examples
    --------
    >>> import polyrve, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> truth = polyrve.data.load("truth")
    >>> polyrve.write_report(truth.field[:12, :12, :12], path=f"{folder.name}/report.html")
    """
    from polyrve.validation.run import compare, validate_comparison

    if not isinstance(rve, (OrientationVolume, GrainVolume)):
        remedy = ": scan.plot() draws a map" if isinstance(rve, (OrientationMap, GrainMap)) else ""
        raise ValueError(f"rve: expected an OrientationVolume or a GrainVolume; got {type(rve).__name__}{remedy}")
    path = Path(path)
    volume = rve.field if isinstance(rve, GrainVolume) else rve
    grains = rve if isinstance(rve, GrainVolume) else segment(volume, threshold)
    comparison = validation = None
    if against is not None:
        comparison = compare(against, volume, threshold=threshold, windows=windows, seed=seed)
        validation = validate_comparison(comparison, between, crystals)
    history = volume.provenance.get("history") if history is None else history
    record = {
        "title": title,
        "validation": None if validation is None else asdict(validation),
        "volume": _volume_facts(volume, grains),
        "provenance": _plain(dict(volume.provenance)),
        "history": None if history is None else _plain([list(item) for item in history]),
    }
    shown: list[Any] = []
    planned = dict(_sections(volume, grains, threshold, comparison, validation, history, shown))
    sections = {
        **_drawn(planned, path),
        "Settings and provenance": [
            *([] if validation is None else [_folded("Settings of the validation", validation.settings)]),
            _folded("Provenance of the volume", record["provenance"]),
        ],
    }
    failed = [block["text"] for blocks in sections.values() for block in blocks if block["kind"] == "failed"]
    if failed:
        warnings.warn(f"{path}: {'; '.join(failed)}: please report it", stacklevel=user_line())
    data = {"report": record, "viewer": shown[0] if shown else None}
    page = _page(data, sections, _facts(volume, grains, against), validation)
    text = json.dumps(record, indent=2, allow_nan=False)
    with replacing(path, force=True) as partial:
        partial.with_suffix(".json").write_text(text + "\n", encoding="utf-8")
        partial.write_text(page, encoding="utf-8")
    return validation


def _drawn(planned: Mapping[str, list[Block | Pending]], path: Path) -> dict[str, list[Block]]:
    """Sections whose drawings are made; a listener hears how far the page is."""
    waiting = [block for blocks in planned.values() for block in blocks if isinstance(block, Pending)]
    made = {id(one): one.block() for one in announced(waiting, f"drawing {path}", lambda one: _COSTS[one.name])}
    return {
        title: [made[id(block)] if isinstance(block, Pending) else block for block in blocks]
        for title, blocks in planned.items()
    }


def _page(
    data: dict[str, Any], sections: Mapping[str, list[Block]], facts: Mapping[str, str], validation: Validation | None
) -> str:
    from polyrve import __version__
    from polyrve.report import templates

    headline, verdict = _headline(validation)
    return templates.render(
        "page.html",
        title=data["report"]["title"],
        style=templates.source("page.css"),
        script=templates.source("viewer.js"),
        headline=headline,
        verdict=verdict,
        facts=facts,
        notes=() if validation is None else validation.notes,
        sections=[
            {"title": name, "slug": name.lower().replace(" ", "-"), "blocks": blocks}
            for name, blocks in sections.items()
        ],
        version=__version__,
        data=json.dumps(data, allow_nan=False).replace("<", "\\u003c"),
    )


def _sections(
    volume: OrientationVolume,
    grains: GrainVolume,
    threshold: float,
    comparison: Comparison | None,
    validation: Validation | None,
    history: Sequence[Sequence[float]] | None,
    shown: list[Any],
) -> Iterator[tuple[str, list[Block | Pending]]]:
    """Titles and blocks of the page's sections; `shown` receives the data of the viewer."""
    from polyrve.report import metrics_table, plots, viewer
    from polyrve.report.directions import HEMISPHERE

    if validation is not None:
        yield "Metrics", [_text(_ABOUT_METRICS), {"kind": "metrics", "groups": metrics_table.lines(validation)}]
    pairs = metrics_table.ordered(comparison.pairs) if comparison is not None else {}
    maps = "volume" not in pairs
    several = comparison is not None and comparison.together is not None
    yield (
        "Maps",
        [
            _text(
                f"The map{'s' * several} at the volume's spacing and the middle sections at one scale. Boundaries "
                f"above {threshold:g}° are black. IPF-Z and IPF-X colour the crystal direction along z and x."
            ),
            Pending("IPF colour keys", lambda: _keys(volume)),
            _picture("IPF maps", lambda: plots.ipf_maps(_panels(volume, comparison), threshold)),
            *_cutaway(grains),
        ],
    )

    def view() -> Block:
        data, block = viewer.contents(volume, grains)
        shown.append(data)
        return block

    yield "Volume", [Pending("slice viewer", view)]
    if comparison is not None and pairs:
        yield (
            "Texture",
            [
                _text(
                    "Densities in multiples of a random distribution, kernel of 5°. Pole figures: stereographic, "
                    f"{HEMISPHERE}, as maps normal to z are drawn; inverse pole figures lie as the keys of the IPF "
                    "colours do."
                    + " The volume is seen as the map's instrument would measure it, with noise and points "
                    "that are not indexed." * ("instrument" in comparison.settings)
                ),
                *_texture(volume, comparison),
            ],
        )
        groups = [[name] for name in pairs] if several else [list(pairs)]
        lines = ", ".join(
            f"{style} normal to {name}" for name, style in zip(pairs, ("solid", "dashed", "dotted"), strict=False)
        )
        which = f" Sections: {lines}." if maps and not several else ""
        yield (
            "Distributions",
            [
                _text(
                    "Blue is the map, red the volume's sections; the grey band holds 95 % of the map's own random "
                    "windows of the sections' size. Grains and chords that a border cuts are left out, the others "
                    f"weighted by the inverse of their chance to lie inside.{which}"
                ),
                *_of_normals(groups, several, "distributions", lambda group: plots.distributions(comparison, group)),
            ],
        )
        if maps:
            yield (
                "Variograms",
                [
                    _text(
                        "The madogram ½⟨|f(x) − f(x + r)|⟩ of the symmetrized harmonics at all lags r, the same colour "
                        "scale for map and volume; the relative error below, darker is better."
                    ),
                    *_of_normals(
                        groups, several, "madogram maps and relative error",
                        lambda group: plots.madogram_maps(comparison, group[0]),
                    ),
                ],
            )  # fmt: skip
    if history:
        yield "Loss", [_picture("loss history", lambda: plots.loss_history(history))]


def _cutaway(grains: GrainVolume) -> Iterator[Block | Pending]:
    from polyrve.report import cutaway

    if min(grains.field.shape) > 1:
        yield _text("The volume in IPF-Z colours, the eighth nearest to the viewer cut away; z points down.")
        yield _picture("volume in three dimensions", lambda: cutaway.png(grains))


def _texture(volume: OrientationVolume, comparison: Comparison) -> Iterator[Block | Pending]:
    from polyrve.report import plots

    sides = _sides(comparison)
    for phase_id, phase in enumerate(volume.phases, start=1):
        found = [(title, sample) for title, sample in sides if (sample.phase_ids == phase_id).any()]
        if len(found) > 1:
            yield {"kind": "heading", "text": f"{phase.name}: {_points(found, phase_id)}"}
            for name, draw in (
                ("pole figures", plots.pole_figures),
                ("inverse pole figures", plots.inverse_pole_figures),
            ):
                yield _picture(name, lambda draw=draw, found=found, phase_id=phase_id: draw(found, phase_id))  # type: ignore[misc]


def _of_normals(
    groups: Sequence[Sequence[str]], several: bool, name: str, draw: Callable[[Sequence[str]], bytes]
) -> Iterator[Block | Pending]:
    """A drawing per group of normals, each under its title where there are several maps."""
    for group in groups:
        if several:
            yield {"kind": "heading", "text": f"Normal to {group[0]}"}
        yield _picture(name, lambda group=group: draw(group))  # type: ignore[misc]


def _keys(volume: OrientationVolume) -> Block:
    from polyrve.report import plots, templates

    keys = [(names, templates.address(plots.color_key(laue))) for laue, names in _phases_by_laue(volume).items()]
    return {"kind": "keys", "colour_keys": keys}


def _text(text: str) -> Block:
    return {"kind": "text", "text": text}


def _folded(title: str, content: Any) -> Block:
    record = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    return {"kind": "record", "text": title, "record": record}


@dataclass(frozen=True, eq=False)
class Pending:
    """A block that is to be drawn.

    Attributes
    ----------
    name : str
    make : callable
        Draws it.
    """

    name: str
    make: Callable[[], Block]

    def block(self) -> Block:
        """Return the block, or a sentence that it could not be made: one drawing does not cost the page."""
        try:
            return self.make()
        except Exception as error:
            return {"kind": "failed", "text": f"{self.name} could not be drawn, {type(error).__name__}: {error}"}


def _picture(name: str, draw: Callable[[], bytes]) -> Pending:
    from polyrve.report import templates

    return Pending(name, lambda: {"kind": "picture", "text": name, "address": templates.address(draw())})


def _points(sides: Sequence[tuple[str, SectionStack]], phase_id: int) -> str:
    """How many points of a phase each side has, since few of them make sharp poles."""
    found = [(title, sample.phase_ids == phase_id) for title, sample in sides]
    return ", ".join(f"{title} {here.sum()} points ({100 * here.mean():.3g} %)" for title, here in found)


def _phases_by_laue(volume: OrientationVolume) -> dict[str, str]:
    names: dict[str, list[str]] = {}
    for phase in volume.phases:
        names.setdefault(phase.laue, []).append(phase.name)
    return {laue: ", ".join(of_laue) for laue, of_laue in names.items()}


def _panels(volume: OrientationVolume, comparison: Comparison | None) -> list[list[Panel | None]]:
    """The map beside the middle sections, or each normal's own map above its section."""
    pairs = {} if comparison is None or "volume" in comparison.pairs else comparison.pairs
    middle: dict[str, Panel] = {}
    for axis in planar(volume.shape):
        name, section = "zyx"[axis], volume.section(axis, volume.shape[axis] // 2)
        middle[name] = f"RVE, normal to {name}", section, _AXES[name]
    if comparison is not None and comparison.together is not None:
        above = {name: (f"map normal to {name}", pair[0].as_map(), _AXES[name]) for name, pair in pairs.items()}
        return [[above.get(name) for name in middle], [*middle.values()]]
    first: list[Panel] = [("map", pair[0].as_map(), _AXES[name]) for name, pair in pairs.items()][:1]
    return [[*first, *middle.values()]]


def _sides(comparison: Comparison) -> list[tuple[str, SectionStack]]:
    from polyrve.report import metrics_table

    pairs = metrics_table.ordered(comparison.pairs)
    first = next(iter(pairs.values()))
    if comparison.together is not None:
        maps = [(f"map normal to {name}", reference) for name, (reference, _) in pairs.items()]
        return [*maps, ("RVE", first[1])]
    return [("map" if "volume" not in pairs else "truth", first[0]), ("RVE", first[1])]


def _headline(validation: Validation | None) -> tuple[str, str]:
    """The first sentence of the page, and its style."""
    if validation is None:
        return "The volume alone: there is no map to compare it with.", "plain"
    if all(row.verdict == "not compared" for row in validation.results if row.key != "seam"):
        return "Nothing could be compared.", "warn"
    return f"{validation.headline}.", "pass" if validation.convincing else "warn"


def _facts(volume: OrientationVolume, grains: GrainVolume, against: Any) -> dict[str, str]:
    from polyrve.report import metrics_table

    facts = {
        "Volume": f"{_size(volume)}, {'periodic' if volume.periodic else 'not periodic'}",
        "Phases": ", ".join(f"{phase.name} ({phase.laue})" for phase in volume.phases),
        "Grains": f"{grains.number_of_grains}, points of no grain: {100 * (grains.grain_ids == 0).mean():.2g} %",
    }
    references = dict(against) if isinstance(against, Mapping) else against
    if isinstance(references, Sequence):
        references = dict(zip("xyz" if len(references) > 1 else "z", references, strict=True))
    elif not isinstance(references, dict):
        references = {} if references is None else {"z": references}
    listed = [
        (normal, number, one)
        for normal, some in metrics_table.ordered(references).items()
        for number, one in enumerate(some if isinstance(some, (list, tuple)) else [some], start=1)
    ]
    for normal, number, reference in listed:
        field = reference.field if isinstance(reference, (GrainMap, GrainVolume)) else reference
        kind = "Map" if isinstance(field, OrientationMap) else "Truth"
        several = isinstance(references[normal], (list, tuple)) and len(references[normal]) > 1
        name = f"{kind} {number}" if several else kind
        name = f"{name} normal to {normal}" if len(references) > 1 else name
        source = str(
            field.provenance.get("path") or field.provenance.get("file") or field.provenance.get("source") or ""
        )
        source = f"{Path(source).name}: " if source else ""
        facts[name] = f"{source}{_size(field)}, {100 * field.indexed.mean():.4g} % indexed"
    return facts


def _size(field: OrientationMap | OrientationVolume) -> str:
    points = " × ".join(str(n) for n in reversed(field.shape))
    spacing = " × ".join(f"{step:.4g}" for step in reversed(field.spacing))
    extent = " × ".join(
        f"{n * step:.4g}" for n, step in zip(reversed(field.shape), reversed(field.spacing), strict=True)
    )
    order = "x, y, z" if len(field.shape) == 3 else "x, y"
    return f"{points} points ({order}) of {spacing} µm, {extent} µm"


def _volume_facts(volume: OrientationVolume, grains: GrainVolume) -> dict[str, Any]:
    return {
        "shape_zyx": list(volume.shape),
        "spacing_zyx_um": list(volume.spacing),
        "periodic": volume.periodic,
        "phases": [{"name": phase.name, "laue": phase.laue} for phase in volume.phases],
        "grains": grains.number_of_grains,
    }


def _plain(value: Any) -> Any:
    """JSON types alone; what is not finite becomes None."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
