"""The HTML report of a volume: one file that needs no network, and the same numbers as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import numpy as np

from polyrve.adapters.replacing import replacing
from polyrve.microstructure.axes import planar
from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.microstructure.grains import GrainMap, GrainVolume
from polyrve.microstructure.links import DEFAULT_THRESHOLD
from polyrve.microstructure.segmentation import segment
from polyrve.report import viewer
from polyrve.report.markup import details, explain, image
from polyrve.report.table import ordered, table

if TYPE_CHECKING:
    from polyrve.microstructure.map_placement import Maps
    from polyrve.report.plots import Panel
    from polyrve.validation.comparison import Comparison
    from polyrve.validation.result import Validation
    from polyrve.validation.section_statistics import SectionStack

_AXES = {"z": ("y", "x"), "y": ("z", "x"), "x": ("z", "y")}


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
) -> Validation | None:
    """Judge a volume and write the report.

    Parameters
    ----------
    rve : OrientationVolume or GrainVolume
    against : OrientationMap, sequence or mapping of OrientationMap, OrientationVolume or GrainVolume, optional
        The map or maps that the volume was made from, or its truth; see :func:`polyrve.validation.run.validate`.
        Without it the volume is shown and not compared.
    path : path-like
        The HTML file; the same numbers go beside it with the suffix ``.json``. Existing files are replaced when the new
        ones are complete.
    history : sequence of (level, iteration, loss), optional
        Loss history; by default the one in the volume's provenance.
    threshold : float, degrees
        Of grain boundaries.
    windows, seed : int
        Of the acceptance floor.
    title : str
    between : callable, optional
        As for :func:`polyrve.validation.run.validate`.

    Returns
    -------
    Validation or None
        None without ``against``.

    Raises
    ------
    ValueError
        As :func:`polyrve.validation.run.validate` does.
    """
    from polyrve.validation.run import compare, validate_comparison

    path = Path(path)
    volume = rve.field if isinstance(rve, GrainVolume) else rve
    grains = rve if isinstance(rve, GrainVolume) else segment(volume, threshold)
    comparison = validation = None
    if against is not None:
        comparison = compare(against, volume, threshold=threshold, windows=windows, seed=seed)
        validation = validate_comparison(comparison, between)
    provenance = _plain(dict(volume.provenance))
    history = volume.provenance.get("history") if history is None else history
    record = {
        "title": title,
        "validation": None if validation is None else asdict(validation),
        "volume": _volume_facts(volume, grains),
        "provenance": provenance,
        "history": None if history is None else _plain([list(item) for item in history]),
    }
    shown, pictures = viewer.contents(volume, grains)
    sections = dict(_sections(volume, threshold, comparison, validation, history, pictures))
    if validation is not None:
        settings = details("Settings of the validation", validation.settings)
    else:
        settings = ""
    sections["Settings and provenance"] = settings + details("Provenance of the volume", provenance)
    package = files("polyrve.report")
    page = Template(package.joinpath("page.html").read_text(encoding="utf-8")).substitute(
        title=escape(title),
        style=package.joinpath("page.css").read_text(encoding="utf-8"),
        script=package.joinpath("viewer.js").read_text(encoding="utf-8"),
        summary=_summary(validation),
        facts="".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in _facts(volume, grains, against).items()),
        notes=_notes(validation),
        contents="".join(f'<a href="#{_slug(name)}">{escape(name)}</a>' for name in sections),
        sections="\n".join(
            f'<section id="{_slug(name)}"><h2>{escape(name)}</h2>{body}</section>' for name, body in sections.items()
        ),
        footer=_footer(),
        data=json.dumps({"report": record, "viewer": shown}, allow_nan=False).replace("<", "\\u003c"),
    )
    text = json.dumps(record, indent=2, allow_nan=False)
    with replacing(path, force=True) as partial:
        partial.with_suffix(".json").write_text(text + "\n", encoding="utf-8")
        partial.write_text(page, encoding="utf-8")
    return validation


def _sections(
    volume: OrientationVolume,
    threshold: float,
    comparison: Comparison | None,
    validation: Validation | None,
    history: Sequence[Sequence[float]] | None,
    pictures: Mapping[str, bytes],
) -> Iterator[tuple[str, str]]:
    from polyrve.report import plots
    from polyrve.report.directions import HEMISPHERE

    if validation is not None:
        yield "Figures", table(validation)
    pairs = ordered(comparison.pairs) if comparison is not None else {}
    maps = "volume" not in pairs
    several = comparison is not None and comparison.together is not None
    keys = "".join(
        f"<figure>{image(plots.color_key(laue), 'IPF colour key')}<figcaption>{escape(names)}</figcaption></figure>"
        for laue, names in _phases_by_laue(volume).items()
    )
    said = explain(
        f"The map{'s' * several} at the volume's spacing and the middle sections at one scale. Boundaries above "
        f"{threshold:g}° are black. IPF-Z and IPF-X colour the crystal direction along z and x."
    )
    yield (
        "Maps",
        f'<div class="with-keys">{said}<div class="keys">{keys}</div></div>'
        + image(plots.ipf_maps(_panels(volume, comparison), threshold), "IPF maps"),
    )
    yield "Volume", viewer.markup(volume, pictures)
    if comparison is not None and pairs:
        sides = _sides(comparison)
        body = explain(
            "Densities in multiples of a random distribution, kernel of 5°. Pole figures: stereographic, "
            f"{HEMISPHERE}, as maps normal to z are drawn; inverse pole figures lie as the keys of the IPF colours do."
        )
        for phase_id, phase in enumerate(volume.phases, start=1):
            shown = [(title, sample) for title, sample in sides if (sample.phase_ids == phase_id).any()]
            if len(shown) > 1:
                body += f"<h3>{escape(phase.name)}: {_points(shown, phase_id)}</h3>"
                body += image(plots.pole_figures(shown, phase_id), "pole figures")
                body += image(plots.inverse_pole_figures(shown, phase_id), "inverse pole figures")
        yield "Texture", body
        groups = [[name] for name in pairs] if several else [list(pairs)]
        lines = ", ".join(
            f"{style} normal to {name}" for name, style in zip(pairs, ("solid", "dashed", "dotted"), strict=False)
        )
        which = f" Sections: {lines}." if maps and not several else ""
        yield (
            "Distributions",
            explain(
                "Blue is the map, red the volume's sections; the grey band holds 95 % of the map's own random windows "
                "of the sections' size. Grains and chords that a border cuts are left out, the others weighted by the "
                f"inverse of their chance to lie inside.{which}"
            )
            + "".join(
                _of_normal(group[0], several) + image(plots.distributions(comparison, group), "distributions")
                for group in groups
            ),
        )
        if maps:
            yield (
                "Variograms",
                explain(
                    "The madogram 1/2 &lt;|f(x) - f(x + r)|&gt; of the symmetrized harmonics at all lags r, the same "
                    "colour scale for map and volume; the relative error below, darker is better."
                )
                + "".join(
                    _of_normal(name, several)
                    + image(plots.madogram_maps(comparison, name), "madogram maps and relative error")
                    for name, *_ in groups
                ),
            )
    if history:
        yield "Loss", image(plots.loss_history(history), "loss history")


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


def _of_normal(name: str, several: bool) -> str:
    return f"<h3>Normal to {name}</h3>" if several else ""


def _sides(comparison: Comparison) -> list[tuple[str, SectionStack]]:
    pairs = ordered(comparison.pairs)
    first = next(iter(pairs.values()))
    if comparison.together is not None:
        maps = [(f"map normal to {name}", reference) for name, (reference, _) in pairs.items()]
        return [*maps, ("RVE", first[1])]
    return [("map" if "volume" not in pairs else "truth", first[0]), ("RVE", first[1])]


def _summary(validation: Validation | None) -> str:
    if validation is None:
        return "The volume alone: there is no map to judge it against."
    if all(row.verdict == "not compared" for row in validation.results if row.key != "seam"):
        return '<b class="warn">Nothing could be compared.</b>'
    kind = "pass" if validation.convincing else "warn"
    return f'<b class="{kind}">{escape(validation.conclusion)}.</b>'


def _notes(validation: Validation | None) -> str:
    if validation is None or not validation.notes:
        return ""
    return f'<ul class="notes">{"".join(f"<li>{escape(note)}</li>" for note in validation.notes)}</ul>'


def _facts(volume: OrientationVolume, grains: GrainVolume, against: Any) -> dict[str, str]:
    facts = {
        "Volume": f"{_size(volume)}, {'periodic' if volume.periodic else 'not periodic'}",
        "Phases": ", ".join(f"{phase.name} ({phase.laue})" for phase in volume.phases),
        "Grains": f"{grains.number_of_grains} above the threshold, points of no grain: "
        f"{100 * (grains.grain_ids == 0).mean():.2g} %",
    }
    references = dict(against) if isinstance(against, Mapping) else against
    if isinstance(references, Sequence):
        references = dict(zip("xyz" if len(references) > 1 else "z", references, strict=True))
    elif not isinstance(references, dict):
        references = {} if references is None else {"z": references}
    for normal, reference in ordered(references).items():
        field = reference.field if isinstance(reference, (GrainMap, GrainVolume)) else reference
        kind = "Map" if isinstance(field, OrientationMap) else "Truth"
        name = f"{kind} normal to {normal}" if len(references) > 1 else kind
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


def _slug(name: str) -> str:
    return name.lower().replace(" ", "-")


def _footer() -> str:
    from polyrve import __version__

    return f"polyrve {escape(__version__)}"
