"""Abaqus input files (.inp) whose hexahedra are voxels: elements, sets, sections and orientations.

Format: Abaqus Keywords Reference Guide. The grains are the sets that sections name, where these are several, else the
sets with a name such as GRAIN-1, Grain1_set or poly1. Their orientations are those of ``*Orientation`` or, in files of
polyrve, of the constants of ``*User Material``.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from polyrve.adapters.ebsd import scan
from polyrve.adapters.registry import FormatError
from polyrve.adapters.text_lines import decoded
from polyrve.adapters.volumes import grain_table, voxel_mesh
from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.crystallography.reference_frames import Frame
from polyrve.microstructure.fields import OrientationMap, OrientationVolume

PHASE_MARK = "** phase "
"""How polyrve begins the line that describes a phase: name as in sets, name, Laue group, lattice and space group."""
_GRAIN = re.compile(r"(?:.*[^a-z])?(?:grain|poly|feature|cell)[_-]?(\d+)(?:[_-]set)?", re.IGNORECASE)
_USER_CONSTANTS = 5
_MOST_FILES = 20
_PIECE = 1 << 22
"""Bytes of text that are read as numbers at a time."""


@dataclass
class _Deck:
    """What the keywords of a deck say."""

    nodes: list[np.ndarray] = field(default_factory=list)
    elements: list[np.ndarray] = field(default_factory=list)
    sets: dict[str, list[np.ndarray]] = field(default_factory=dict)
    sections: dict[str, tuple[str, str]] = field(default_factory=dict)
    orientations: dict[str, np.ndarray] = field(default_factory=dict)
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    phases: dict[str, Phase] = field(default_factory=dict)
    by_polyrve: bool = False
    material: str = ""


def read(
    path: str | Path, *, frame: str | Frame | None = None, laue: str | Sequence[str] | None = None, seed: int = 0
) -> OrientationMap | OrientationVolume:
    """Read hexahedra that are voxels, with their grains.

    Parameters
    ----------
    path : path-like
        With the files that it includes.
    frame : str or Frame, optional
        What turns the orientations; none by default.
    laue : str or sequence of str, optional
        Laue group of all phases, or of each; by default as polyrve wrote it, else m-3m with a warning.
    seed : int
        Of the orientations, where the file has none; see the warning.

    Returns
    -------
    OrientationMap or OrientationVolume
        The grains as ``properties["FeatureIds"]``. Voxels without an element, such as voids, are in no grain.

    Raises
    ------
    FileNotFoundError
        If there is no such file, or none that it includes.
    FormatError
        If it is no such file, its elements are no voxels, or it has no sets of grains.

    Warns
    -----
    UserWarning
        If Laue groups or orientations are not said.
    """
    path = Path(path)
    deck = _Deck()
    for keyword, options, body in _blocks(path, [0]):
        _take(path, deck, keyword, options, body)
    if not deck.nodes or not deck.elements:
        raise FormatError(path, "expected nodes and elements of eight nodes (C3D8); there are none")
    nodes, elements = _joined(deck.nodes), _joined(deck.elements)
    rows = _rows(path, nodes[:, 0], elements[:, 1:])
    names = _grain_sets(path, deck)
    ids = _of_elements(path, deck, names, elements[:, 0])
    mesh = voxel_mesh.voxels(path, nodes[:, 1:], rows, ids)
    table = _table(path, deck, names, laue, seed)
    return grain_table.assemble(path, "abaqus", mesh.ids, table, mesh.spacing, mesh.origin, frame=frame)


def _blocks(path: Path, files: list[int]) -> Iterator[tuple[str, dict[str, str], memoryview]]:
    """Keywords in capitals, their options, and the lines below them without comments; included files in their place."""
    data = np.fromfile(path, dtype=np.uint8).data
    if b"*" not in bytes(data[:5000]):
        raise FormatError(path, "expected an input file of Abaqus, with keywords such as *Node")
    starts = [match.start() for match in re.finditer(rb"^\*", data, flags=re.MULTILINE)]
    for start, end in pairwise([*starts, len(data)]):
        head = re.match(rb"[^\n]*", data[start:end])
        line = decoded(head[0]) if head else ""
        body = data[min(start + (head.end() if head else 0) + 1, end) : end]
        if line.startswith("**"):
            yield "**", {"line": line.rstrip("\r")}, body
            continue
        words = [word.strip() for word in line.lstrip("*").split(",")]
        options = {key.strip().lower(): value.strip() for key, _, value in (word.partition("=") for word in words[1:])}
        keyword = words[0].upper()
        if keyword == "INCLUDE":
            files[0] += 1
            if files[0] > _MOST_FILES:
                raise FormatError(path, f"expected at most {_MOST_FILES} included files; got more")
            yield from _blocks(path.parent / Path(options.get("input", "")).name, files)
        else:
            yield keyword, options, body


def _take(path: Path, deck: _Deck, keyword: str, options: dict[str, str], body: memoryview) -> None:
    if keyword == "**":
        _describe_phase(path, deck, options["line"])
    elif keyword == "HEADING":
        deck.by_polyrve = bytes(body[:100]).lstrip().startswith(b"polyrve:")
    elif keyword == "NODE":
        values = _numbers(path, body, "*Node")
        if len(values) % 4:
            raise FormatError(path, "expected a number and three coordinates per node", "*Node")
        deck.nodes.append(values.reshape(-1, 4))
    elif keyword == "ELEMENT" and options.get("type", "").upper().startswith("C3D8"):
        numbers = _whole(path, body, "*Element")
        if len(numbers) % 9:
            raise FormatError(path, "expected a number and eight nodes per element", "*Element")
        deck.elements.append(numbers.reshape(-1, 9))
        if "elset" in options:
            deck.sets.setdefault(options["elset"].upper(), []).append(deck.elements[-1][:, 0])
    elif keyword == "ELEMENT" and options.get("type", "").upper().startswith(("C3D", "DC3D")):
        raise FormatError(path, f"expected elements C3D8, which are voxels; got {options['type']}", "*Element")
    elif keyword == "ELSET" and "elset" in options and not re.search(rb"[a-zA-Z]", body):
        members = _whole(path, body, "*Elset")
        if "generate" in options:
            members = _generated(path, members)
        deck.sets.setdefault(options["elset"].upper(), []).append(members)
    elif keyword == "SOLID SECTION" and "elset" in options:
        material, orientation = options.get("material", "").upper(), options.get("orientation", "").upper()
        deck.sections[options["elset"].upper()] = (material, orientation)
    elif keyword == "ORIENTATION" and "name" in options:
        values = _numbers(path, body[: (bytes(body[:1000]) + b"\n").index(b"\n")], "*Orientation")
        if len(values) >= 6 and options.get("system", "rectangular").lower().startswith("r"):
            deck.orientations[options["name"].upper()] = values[:6]
    elif keyword == "MATERIAL":
        deck.material = options.get("name", "").upper()
    elif keyword == "USER MATERIAL":
        deck.constants[deck.material] = _numbers(path, body, "*User Material")


def _numbers(path: Path, text: memoryview, where: str) -> np.ndarray:
    """The numbers of lines, float64, read in pieces that end at a line."""
    values = _joined([_parsed(path, piece, np.float64, where) for piece in _pieces(text)])
    if not np.isfinite(values).all():
        raise FormatError(path, "expected finite numbers", where)
    return values


def _whole(path: Path, text: memoryview, where: str) -> np.ndarray:
    """The numbers of lines, int32, which also 1.0 or 1e3 may stand for."""
    parts = []
    for piece in _pieces(text):
        plain = not re.search(rb"[.eE]", piece)
        numbers = _parsed(path, piece, np.int64 if plain else np.float64, where)
        parts.append(grain_table.whole_numbers(path, numbers.astype(np.float64), where).astype(np.int32))
    return _joined(parts)


def _pieces(text: memoryview) -> Iterator[bytes]:
    at = 0
    while at < len(text):
        end = min(at + _PIECE, len(text))
        line = re.compile(rb"\n").search(text, end)
        end = line.end() if line else len(text)
        yield bytes(text[at:end])
        at = end


def _parsed(path: Path, text: bytes, kind: type, where: str) -> np.ndarray:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return np.fromstring(text.replace(b",", b" ").decode("latin-1"), dtype=kind, sep=" ")
    except (DeprecationWarning, ValueError):
        raise FormatError(path, "expected numbers with commas", where) from None


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    """One array of several, which are let go."""
    if not parts:
        return np.empty(0)
    whole = np.concatenate(parts) if len(parts) > 1 else parts[0]
    parts.clear()
    return whole


def _rows(path: Path, numbers: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The row of each node that elements name, in the order of their numbers or, where these are sparse, by search."""
    if numbers.min() >= 0 and numbers.max() < 4 * len(numbers):
        row_of = np.full(4 * len(numbers), -1, dtype=np.int32)
        row_of[numbers.astype(np.int64)] = np.arange(len(numbers), dtype=np.int32)
        rows = row_of[np.clip(wanted, 0, len(row_of) - 1)]
    else:
        order = np.argsort(numbers, kind="stable")
        rows = order[np.minimum(np.searchsorted(numbers[order], wanted), len(order) - 1)]
    if (rows < 0).any() or not all(np.array_equal(numbers[rows[:, i]], wanted[:, i]) for i in range(wanted.shape[1])):
        raise FormatError(path, "expected elements whose nodes are in the file")
    return rows


def _generated(path: Path, members: np.ndarray) -> np.ndarray:
    """What lines 'first, last, step' mean; lines without a step are not told from others, and are refused."""
    if len(members) % 3 or not len(members):
        raise FormatError(path, "expected first, last and step", "*Elset, generate")
    rows = members.reshape(-1, 3)
    if (rows[:, 2] < 1).any() or (rows[:, 1] < rows[:, 0]).any() or (rows[:, 1] - rows[:, 0]).sum() > 1e8:
        raise FormatError(path, "expected first, last and step", "*Elset, generate")
    return np.concatenate([np.arange(first, last + 1, step) for first, last, step in rows])


def _describe_phase(path: Path, deck: _Deck, line: str) -> None:
    if not line.startswith(PHASE_MARK):
        return
    words = [word.strip() for word in line.removeprefix(PHASE_MARK).split(";")]
    try:
        key, name, laue, lattice, group = words
        a, b, c, alpha, beta, gamma = (float(value) for value in lattice.split())
        deck.phases[key.upper()] = Phase(name, laue, (a, b, c, alpha, beta, gamma), int(group))
    except ValueError as error:
        raise FormatError(
            path, f"expected name in sets; name; Laue group; lattice; space group; got: {error}", PHASE_MARK
        ) from None


def _grain_sets(path: Path, deck: _Deck) -> list[str]:
    named = [name for name in deck.sections if name in deck.sets]
    if len(named) < 2:
        named = [name for name in deck.sets if _GRAIN.fullmatch(name)] or named
    if not named:
        raise FormatError(path, "expected sections of sets of elements, or sets such as GRAIN-1; there are none")
    numbers = [_GRAIN.fullmatch(name) for name in named]
    if all(numbers):
        named = sorted(named, key=lambda name: int(m[1]) if (m := _GRAIN.fullmatch(name)) else 0)
    return named


def _of_elements(path: Path, deck: _Deck, names: Sequence[str], elements: np.ndarray) -> np.ndarray:
    """Place of the grain of each element in the list of sets, from 1; 0 for none."""
    order = np.argsort(elements, kind="stable")
    ids = np.zeros(len(elements), dtype=np.int64)
    for number, name in enumerate(names, start=1):
        members = np.concatenate(deck.sets[name])
        place = order[np.minimum(np.searchsorted(elements[order], members), len(order) - 1)]
        place = place[elements[place] == members]
        if (ids[place] > 0).any():
            raise FormatError(path, f"expected elements of one grain each; some of {name} are in another one too")
        ids[place] = number
    return ids


def _table(
    path: Path, deck: _Deck, names: Sequence[str], laue: str | Sequence[str] | None, seed: int
) -> grain_table.GrainTable:
    numbers = np.arange(1, len(names) + 1)
    sections = [deck.sections.get(name, ("", "")) for name in names]
    axes = [deck.orientations.get(orientation) for _, orientation in sections]
    constants = [deck.constants.get(material) for material, _ in sections]
    user = deck.by_polyrve and all(c is not None and len(c) == _USER_CONSTANTS for c in constants)
    if user:
        rows = np.array(constants)
        q = scan.from_angles(path, np.deg2rad(rows[:, 2:]), np.ones(len(rows), dtype=bool), "*User Material")
        phase_ids = grain_table.whole_numbers(path, rows[:, 1], "*User Material")
        materials = list(deck.phases) or [f"PHASE {i}" for i in range(1, int(min(phase_ids.max(), 1000)) + 1)]
        if phase_ids.min() < 1 or phase_ids.max() > len(materials):
            raise FormatError(path, f"expected phases 1 ... {len(materials)}", "*User Material")
    elif all(a is not None for a in axes):
        q = _of_axes(path, np.array(axes))
        used = dict.fromkeys(material for material, _ in sections)
        materials = [name for name in deck.phases if name in used] + [name for name in used if name not in deck.phases]
        phase_ids = np.array([materials.index(material) + 1 for material, _ in sections])
    else:
        return grain_table.oriented_at_random(path, numbers, laue, seed)
    known = [deck.phases.get(name) for name in materials]
    if laue is None and all(known):
        phases = [phase for phase in known if phase is not None]
    else:
        phases = scan.unsaid_phases(path, len(materials), [name or "phase 1" for name in materials], laue)
    return grain_table.GrainTable(numbers, q, phase_ids.astype(np.int32), phases)


def _of_axes(path: Path, values: np.ndarray) -> np.ndarray:
    """Orientations by a point on the local x axis and one in the local x-y plane."""
    x, other = values[:, :3], values[:, 3:6]
    z = np.cross(x, other)
    lengths = np.linalg.norm(x, axis=1), np.linalg.norm(z, axis=1)
    if not all((length > 1e-9).all() for length in lengths):
        raise FormatError(path, "expected two directions that are not parallel", "*Orientation")
    x, z = x / lengths[0][:, None], z / lengths[1][:, None]
    return rotation.from_matrix(np.stack([x, np.cross(z, x), z], axis=1))
