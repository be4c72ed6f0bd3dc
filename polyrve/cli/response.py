"""``polyrve response``: from maps to stress-strain figures with error bars, by statistical volume elements."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polyrve.cli import inputs, outputs, progress
from polyrve.cli.lock import locked
from polyrve.cli.messages import Interrupted
from polyrve.cli.options import (
    AxisymmetricOption,
    DropPhaseOption,
    ForceOption,
    FrameOption,
    MapOption,
    NormalsOption,
    PhaseOption,
    ReadOptions,
)
from polyrve.cli.reconstruct import terminated_as_interrupted

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from polyrve.microstructure.grains import GrainVolume
    from polyrve.microstructure.map_placement import Maps
    from polyrve.response.elements import ElementStudy

_LOADS = ("tension", "compression")


def response(
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder of the study.")],
    maps: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[MAP]...", help="One map for all directions, or three: normal to x, y and z.", show_default=False
        ),
    ] = None,
    by_axis: MapOption = None,
    phase: PhaseOption = None,
    load: Annotated[str, typer.Option(metavar="CASE", help="tension or compression.")] = "tension",
    axis: Annotated[str, typer.Option(metavar="AXIS", help="Direction of the load: x, y or z.")] = "x",
    strain: Annotated[float, typer.Option(help="Largest strain.")] = 0.01,
    rate: Annotated[float, typer.Option(help="Strain rate, 1/s.")] = 1e-3,
    increments: Annotated[int, typer.Option(min=1, help="Number of increments.")] = 20,
    sizes: Annotated[
        str, typer.Option(metavar="N,N,...", help="Voxels along each edge of the elements, smallest first.")
    ] = "16,24",
    seeds: Annotated[int, typer.Option(min=1, help="Elements of each size; with --tolerance, at most.")] = 4,
    tolerance: Annotated[
        str | None,
        typer.Option(metavar="PERCENT", help="Band that is wanted, such as 2%; no more seeds than it takes are run."),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Dask scheduler, slurm, or local; by default one after the other here."),
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Elements at once, with --scheduler.")] = None,
    solver: Annotated[
        str | None, typer.Option(metavar="COMMAND", help="How the solver is started; as for polyrve simulate.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of each solver.")] = 1,
    options: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Setting of the reconstruction; may be repeated."),
    ] = None,
    frame: FrameOption = None,
    read: ReadOptions = None,
    drop_phase: DropPhaseOption = None,
    normals: NormalsOption = None,
    axisymmetric: AxisymmetricOption = None,
    force: ForceOption = False,
) -> None:
    """Tell a material's response with error bars.

    Young's modulus and flow stress, from maps of the material and volumes made from them.

    Volumes of several sizes and seeds are made from the maps and loaded by DAMASK. What volumes scatter and what the
    maps themselves are unsure of is told apart, in FOLDER/response.html. Elements that are done are kept: the same
    command goes on.
    """
    from polyrve.report.elements_page import headline, notes, write_elements
    from polyrve.response import elements
    from polyrve.response import simulate as runs
    from polyrve.response.map_error import map_error

    numbers = _sizes(sizes)
    wanted = _share(tolerance)
    if load not in _LOADS or axis not in ("x", "y", "z"):
        raise ValueError(f"--load, --axis: expected {' or '.join(_LOADS)} along x, y or z; got {load}, {axis}")
    files = [*(maps or []), *(by_axis or [])]
    page = output / "response.html"
    _check(output, force)
    words = runs.find_solver(solver)
    with progress.reporter() as reporter, terminated_as_interrupted():
        reporter.step("reading", f"reading {', '.join(map(str, files))}")
        scans = _placed(maps or [], by_axis, frame, read, drop_phase, normals, axisymmetric)
        fields = _fields(scans)
        reporter.step("comparing", "averaging over orientations")
        compression = load == "compression"
        known = map_error(fields, phase, compression=compression, copies=max(1.0, len(fields) / len(files)))
        chosen = {
            "phase": phase, "load": load, "axes": axis, "strain": strain, "rate": rate, "increments": increments,
            "output": "F,P",
        }  # fmt: skip
        work = partial(
            _element, _Maker(scans, tuple(options or ())), output.resolve(), chosen, tuple(words), threads
        )  # fmt: skip
        reporter.step("simulating", f"elements of {', '.join(f'{n}^3' for n in numbers)}")
        with locked(output / "study"), _executor(scheduler, workers, seeds) as executor:
            try:
                study = elements.study(
                    known, "xyz".index(axis), numbers, seeds, work, tolerance=wanted, executor=executor,
                    workers=workers or (seeds if executor is not None else 1), told=partial(_told, reporter),
                )  # fmt: skip
            except KeyboardInterrupt:
                raise Interrupted("interrupted; the same command goes on with the elements that are left") from None
    write_elements(study, page, force=True)
    typer.echo(headline(study))
    for note in notes(study):
        typer.echo(note)
    typer.echo(f"{page}: written, with response.json beside it")


@dataclass(frozen=True)
class _Maker:
    """Makes the volume of a size and seed; goes to the workers of a cluster."""

    scans: Any
    settings: tuple[str, ...]

    def __call__(self, size: int, seed: int) -> GrainVolume:
        from polyrve.backend.quiet_import import load_tensorflow

        load_tensorflow()
        from polyrve.cli.reconstruct import settings_of
        from polyrve.microstructure.segmentation import segment
        from polyrve.reconstruction.run import reconstruct

        settings = settings_of(None, {"shape": (size,) * 3, "seed": seed}, list(self.settings))
        return segment(reconstruct(self.scans, settings).volume)


def _element(
    make: _Maker, folder: Path, chosen: dict[str, Any], words: tuple[str, ...], threads: int, size: int, seed: int
) -> Any:
    from polyrve.response import elements

    return elements.element(make, folder, chosen, words, size, seed, threads)


def _told(reporter: progress.Reporter, study: ElementStudy) -> None:
    size = study.elements[-1].size
    bands = {name: study.band(name, size).half_width for name in study.figures}
    wide = max((half for half in bands.values() if not math.isnan(half)), default=math.nan)
    said = "" if math.isnan(wide) else f", means known to ± {100 * wide:.1f} % or better"
    typer.echo(f"{sum(one.size == size for one in study.elements)} elements of {size}^3{said}", err=True)


def _placed(
    paths: list[Path],
    by_axis: list[str] | None,
    frame: str | None,
    read: list[str] | None,
    drop_phase: list[str] | None,
    normals: str | None,
    axisymmetric: str | None,
) -> Maps:
    from polyrve.settings import maps_by_axis

    return inputs.read_maps(
        paths, frame, read, drop_phase, normals, axisymmetric, None, maps_by_axis(by_axis) if by_axis else []
    )


def _fields(scans: Maps) -> list[Any]:
    """The maps in one sample frame, each once."""
    from polyrve.microstructure.fields import OrientationMap
    from polyrve.microstructure.map_placement import by_normal
    from polyrve.microstructure.placed import distinct

    fields = list(distinct(by_normal(scans)))
    if not all(isinstance(field, OrientationMap) for field in fields):
        raise ValueError("maps: expected planar maps, whose grains tell what is known of the material; got a volume")
    return fields


def _sizes(text: str) -> list[int]:
    words = text.replace(",", " ").split()
    if not words or not all(word.isdecimal() and int(word) > 1 for word in words):
        raise ValueError(f"--sizes: expected numbers of voxels such as 16,24,32; got {text!r}")
    return [int(word) for word in words]


def _share(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        value = float(text.rstrip("% ")) / 100.0
    except ValueError:
        value = math.nan
    if not 0.0 < value < 1.0:
        raise ValueError(f"--tolerance: expected per cent between 0 and 100, such as 2%; got {text!r}")
    return value


def _check(output: Path, force: bool) -> None:
    """Refuse a folder that holds something else than a study; begin anew where that is asked for."""
    import re
    import shutil

    if output.is_dir() and force:
        for own in output.iterdir():
            if own.is_dir() and re.fullmatch(r"\d+_\d+", own.name):
                shutil.rmtree(own)
        return
    foreign = [
        own.name for own in (output.iterdir() if output.is_dir() else ())
        if not re.fullmatch(r"\d+_\d+|response\.(html|json)|\.?study.*", own.name)
    ]  # fmt: skip
    if foreign:
        raise FileExistsError(f"{output}: expected a new folder, or that of a study; it holds {foreign[0]}")
    outputs.check_folder(output, True)
    output.mkdir(parents=True, exist_ok=True)


@contextmanager
def _executor(scheduler: str | None, workers: int | None, seeds: int) -> Iterator[Executor | None]:
    if scheduler is None:
        yield None
        return
    from polyrve.reconstruction.cluster import client_of

    with client_of(None if scheduler == "local" else scheduler, workers, seeds, {}) as client:
        yield client.get_executor(pure=False)
