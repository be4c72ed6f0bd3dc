"""Sections matched one by one or pooled
=====================================

Which volume comes closer to a specimen whose 3D truth is known.

::

    python examples/pooling.py --output docs/figures/pooling.png
"""

# sphinx_gallery_thumbnail_path = "figures/pooling.png"

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from study import AS_IN_THE_PAPER, VALIDATED, arguments, gallery, plane, table, validated

import polyrve
from polyrve.microstructure.cleaning import remove_spikes
from polyrve.microstructure.fields import OrientationMap
from polyrve.microstructure.grains import GrainVolume
from polyrve.microstructure.instrument import simulate_scan
from polyrve.microstructure.synthetic import make_specimen
from polyrve.validation.run import Validation

Runs = dict[tuple[str, str, str], tuple[polyrve.Reconstruction, Validation]]

CASES = (("paper", "random"), ("default", "random"), ("default", "exemplar"))
"""Descriptor set and initial field."""

METRICS = (*(key for key in VALIDATED if key != "madogram_within_5"), "grain_size_area", "orientation_spread")
"""Metrics of whole volumes, which correlations are not among."""


def main(
    truth: GrainVolume,
    scan: OrientationMap,
    size: int = 32,
    iterations: int = 60,
    cases: Sequence[tuple[str, str]] = CASES,
    output: Path | None = None,
    **settings: Any,
) -> Runs:
    """Reconstruct volumes from one section and compare them with the whole specimen.

    Parameters
    ----------
    truth : GrainVolume
    scan : OrientationMap
        A section of it.
    size, iterations : int
    cases : sequence of (str, str)
        Descriptor sets and initial fields.
    output : Path, optional
    **settings
        Further settings of the reconstruction.

    Returns
    -------
    dict of (str, str, str) to (Reconstruction, Validation)
        By descriptor set, initial field and pooling.
    """
    runs: Runs = {}
    for descriptors, initial in cases:
        for pooling, group in (("each section", 1), ("all sections", None)):
            result = polyrve.reconstruct(
                scan, shape=(size,) * 3, descriptors=descriptors, sections_per_group=group, iterations=iterations,
                initial=initial, **AS_IN_THE_PAPER, **settings,
            )  # fmt: skip
            runs[descriptors, initial, pooling] = result, validated(truth.field, result.volume)[1]
    if output is not None:
        panels = {"the specimen": plane(truth.field)}
        for names, (result, _) in runs.items():
            panels[f"{names[0]} set, {names[1]},\n{names[2]}"] = plane(result.volume)
        gallery(output, panels)
    return runs


def command(argv: Sequence[str] | None = None) -> Any:
    parser = arguments(__doc__, size=32, iterations=60)
    options = parser.parse_args(argv)
    if options.map is not None:
        parser.error("--map: expected none, since the true volume of a measured map is not known; got a file")
    side = 3 * options.size
    truth = make_specimen((side, side, side), seed=1)
    scan = remove_spikes(simulate_scan(truth, index=side // 2, seed=1))
    runs = main(truth, scan, options.size, options.iterations, output=options.output)
    rows = []
    for names, (result, validation) in runs.items():
        known = {row.key: row for row in validation.results}
        values = [known[key].value if known[key].value is not None else float("nan") for key in METRICS]
        rows.append((*names, result.loss, *values, f"{validation.passed} of {validation.compared}"))
    titles = [VALIDATED.get(key, key.replace("_", " ")) for key in METRICS]
    print(table(["set", "initial field", "estimates of", "last loss", *titles, "within limits"], rows))
    return runs


if __name__ == "__main__":
    command()
