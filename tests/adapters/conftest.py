"""A synthetic crystal field, and files of every format with it, written from the published layouts.

The writers know nothing of polyrve's quaternions or frames: they start from the matrices g (v_crystal = g v_map) and
the axes that each vendor documents, and compute Bunge's angles by the textbook formulas.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from polyrve.crystallography.phase import LAUE_GROUPS, Phase

AXES_OF_EULER_FRAME = {
    "none": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "edax-1": [[0, 1, 0], [1, 0, 0], [0, 0, -1]],
    "edax-2": [[0, -1, 0], [-1, 0, 0], [0, 0, -1]],
    "edax-3": [[1, 0, 0], [0, -1, 0], [0, 0, -1]],
    "edax-4": [[-1, 0, 0], [0, 1, 0], [0, 0, -1]],
    "oxford-cs0": [[1, 0, 0], [0, -1, 0], [0, 0, -1]],
    "oxford-cs1": [[1, 0, 0], [0, -1, 0], [0, 0, -1]],
    "bruker": [[1, 0, 0], [0, -1, 0], [0, 0, -1]],
    "bruker-5": [[-1, 0, 0], [0, 1, 0], [0, 0, -1]],
}
"""Rows: the axes of the Euler frame in map coordinates."""

SINGLE = (Phase("Magnesium", "6/mmm", (3.2, 3.2, 5.2, 90, 90, 120), 194),)
SEVERAL = (
    Phase("Magnesium", "6/mmm", (3.2, 3.2, 5.2, 90, 90, 120), 194),
    Phase("Quartz", "-3m", (4.9, 4.9, 5.4, 90, 90, 120), 152),
    Phase("Copper", "m-3m", (3.6, 3.6, 3.6, 90, 90, 90), 225),
    Phase("Forsterite", "mmm", (4.8, 10.2, 6.0, 90, 90, 90), 62),
    Phase("Diopside", "2/m", (9.7, 8.9, 5.3, 90, 106, 90), 15),
)


@dataclass
class Crystals:
    """Truth of a synthetic map or volume."""

    matrices: np.ndarray
    phase_ids: np.ndarray
    phases: tuple[Phase, ...]
    spacing: tuple[float, ...] = (0.25, 0.5)
    quality: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self):
        self.quality = np.linspace(0.1, 0.9, self.phase_ids.size).reshape(self.phase_ids.shape).round(3)

    @property
    def shape(self):
        return self.phase_ids.shape


def make_crystals(shape: tuple[int, ...], phases: tuple[Phase, ...], seed: int = 1) -> Crystals:
    rng = np.random.default_rng(seed)
    q, r = np.linalg.qr(rng.standard_normal((*shape, 3, 3)))
    matrices = q * np.sign(np.einsum("...ii->...i", r))[..., None, :]
    matrices[np.linalg.det(matrices) < 0] *= -1
    phase_ids = rng.integers(0, len(phases) + 1, shape)
    phase_ids.flat[: len(phases)] = np.arange(1, len(phases) + 1)
    return Crystals(matrices, phase_ids, phases, (2.0, 0.25, 0.5)[-len(shape) :])


def bunge(matrices: np.ndarray) -> np.ndarray:
    """Bunge angles in rad of matrices g, by g33 = cos Phi, g13/g23 = tan phi2, g31/-g32 = tan phi1."""
    Phi = np.arccos(np.clip(matrices[..., 2, 2], -1, 1))
    phi1 = np.arctan2(matrices[..., 2, 0], -matrices[..., 2, 1])
    phi2 = np.arctan2(matrices[..., 0, 2], matrices[..., 1, 2])
    return np.stack([phi1 % (2 * np.pi), Phi, phi2 % (2 * np.pi)], axis=-1)


def crystal_axes(phase: Phase, x_axis: str) -> np.ndarray:
    """Rows: the axes of a vendor's crystal frame in a frame with x || a and z || c*."""
    alpha, beta, gamma = np.deg2rad(phase.lattice[3:])
    a = np.array([1.0, 0, 0])
    b = np.array([np.cos(gamma), np.sin(gamma), 0])
    cy = (np.cos(alpha) - np.cos(beta) * np.cos(gamma)) / np.sin(gamma)
    c = np.array([np.cos(beta), cy, np.sqrt(1 - np.cos(beta) ** 2 - cy**2)])
    z = c if x_axis == "a*" else np.cross(a, b)
    x = np.cross(b, c) if x_axis == "a*" else a
    x, z = x / np.linalg.norm(x), z / np.linalg.norm(z)
    return np.stack([x, np.cross(z, x), z])


def vendor_angles(crystals: Crystals, frame: str, x_axis: str) -> np.ndarray:
    """Bunge angles in rad as a vendor's software gives them, shape (n, 3)."""
    g = crystals.matrices @ np.linalg.inv(np.array(AXES_OF_EULER_FRAME[frame], dtype=float))
    for number, phase in enumerate(crystals.phases, start=1):
        points = crystals.phase_ids == number
        g[points] = crystal_axes(phase, x_axis) @ g[points]
    return bunge(g).reshape(-1, 3)


TSL = {
    "-1": 1, "2/m": 20, "mmm": 22, "4/m": 4, "4/mmm": 42, "-3": 3, "-3m": 32, "6/m": 6, "6/mmm": 62, "m-3": 23,
    "m-3m": 43,
}  # fmt: skip


def ang_header(crystals: Crystals, order=reversed, symmetry=TSL.get, grid: str = "SqrGrid") -> list[str]:
    rows, columns = crystals.shape
    dy, dx = crystals.spacing
    lines = ["# TEM_PIXperUM 1.000000", "# x-star 0.5", "#"]
    for number, phase in order(list(enumerate(crystals.phases, start=1))):
        lattice = " ".join(f"{value:.3f}" for value in phase.lattice)
        lines += [
            f"# Phase {number}", f"# MaterialName  \t{phase.name}", "# Formula     \t", "# Info \t\t",
            f"# Symmetry              {symmetry(phase.laue)}", f"# LatticeConstants      {lattice}",
            "# NumberFamilies 0", "#",
        ]  # fmt: skip
    return [
        *lines, f"# GRID: {grid}", f"# XSTEP: {dx:.6f}", f"# YSTEP: {dy:.6f}", f"# NCOLS_ODD: {columns}",
        f"# NCOLS_EVEN: {columns}", f"# NROWS: {rows}", "#", "# OPERATOR: \tsomeone", "#", "# SCANID: \t", "#",
    ]  # fmt: skip


def ang_columns(crystals: Crystals, frame: str) -> list[np.ndarray]:
    indexed = crystals.phase_ids.ravel() > 0
    angles = np.where(indexed[:, None], vendor_angles(crystals, frame, "a"), 4 * np.pi)
    y, x = np.indices(crystals.shape)
    dy, dx = crystals.spacing
    ci = np.where(indexed, crystals.quality.ravel(), -1.0)
    phase = np.zeros(indexed.size) if len(crystals.phases) == 1 else crystals.phase_ids.ravel()
    return [*angles.T, x.ravel() * dx, y.ravel() * dy, np.full(x.size, 99.5), ci, phase]


def write_ang(crystals: Crystals, folder: Path, frame: str = "edax-2") -> Path:
    count = crystals.phase_ids.size
    table = np.column_stack([*ang_columns(crystals, frame), np.arange(count), np.full(count, 1.5)])
    path = folder / "tsl.ang"
    form = " {:9.7f} {:9.7f} {:9.7f} {:9.5f} {:9.5f} {:6.1f} {:6.3f} {:2.0f} {:6.0f} {:6.3f} "
    lines = [form.format(*row) for row in table]
    path.write_text("\n".join(ang_header(crystals) + lines) + "\n")
    return path


def write_ctf(crystals: Crystals, folder: Path, frame: str = "oxford-cs0") -> Path:
    shape, spacing = crystals.shape, crystals.spacing
    indexed = crystals.phase_ids.ravel() > 0
    angles = np.where(indexed[:, None], np.rad2deg(vendor_angles(crystals, frame, "a*")), 0.0)
    axes = "XYZ"[: len(shape)]
    lines = ["Channel Text File", "Prj\tx", "Author\t[Unknown]", "JobMode\tGrid"]
    lines += [f"{axis}Cells\t{n}" for axis, n in zip(axes, shape[::-1], strict=True)]
    lines += [f"{axis}Step\t{step:g}" for axis, step in zip(axes, spacing[::-1], strict=True)]
    lines += ["AcqE1\t0", "AcqE2\t0", "AcqE3\t0", "Euler angles refer to Sample Coordinate system (CS0)!\tMag\t200"]
    lines += [f"Phases\t{len(crystals.phases)}"]
    for phase in crystals.phases:
        numbers = [f"{value:g}" for value in phase.lattice]
        laue = LAUE_GROUPS.index(phase.laue) + 1
        lines.append(f"{';'.join(numbers[:3])}\t{';'.join(numbers[3:])}\t{phase.name}\t{laue}\t{phase.space_group}")
    lines.append("\t".join(["Phase", *axes, "Bands", "Error", "Euler1", "Euler2", "Euler3", "MAD", "BC", "BS"]))
    position = [index.ravel() * step for index, step in zip(np.indices(shape), spacing, strict=True)][::-1]
    for i, phase in enumerate(crystals.phase_ids.ravel()):
        at = "\t".join(f"{p[i]:.4f}" for p in position)
        euler = "\t".join(f"{value:.6f}" for value in angles[i])
        lines.append(f"{phase}\t{at}\t8\t{0 if phase else 3}\t{euler}\t{crystals.quality.flat[i]:.4f}\t99\t200")
    path = folder / "hkl.ctf"
    path.write_bytes(("\r\n".join(lines) + "\r\n").encode("latin-1"))
    return path


def write_cpr(crystals: Crystals, folder: Path, frame: str = "oxford-cs0") -> Path:
    rows, columns = crystals.shape
    dy, dx = crystals.spacing
    lines = ["[General]", "Version=5.0", "[Job]", f"xCells={columns}", f"yCells={rows}"]
    lines += [f"GridDistX={dx}", f"GridDistY={dy}"]
    lines += ["[Acquisition Surface]", "Euler1=0", "Euler2=0", "Euler3=0", "[Phases]", f"Count={len(crystals.phases)}"]
    for number, phase in enumerate(crystals.phases, start=1):
        keys = ("a", "b", "c", "alpha", "beta", "gamma")
        lines += [f"[Phase{number}]", f"StructureName={phase.name}", f"LaueGroup={LAUE_GROUPS.index(phase.laue) + 1}"]
        lines += [f"SpaceGroup={phase.space_group}", *(f"{k}={v:g}" for k, v in zip(keys, phase.lattice, strict=True))]
    fields = (3, 4, 5, 6, 7, 8, 10, 11, 12)
    lines += ["[Fields]", f"Count={len(fields)}", *(f"Field{i}={n}" for i, n in enumerate(fields, start=1))]
    path = folder / "channel.cpr"
    path.write_text("\r\n".join(lines) + "\r\n", encoding="latin-1")
    kinds = [("phase", "u1"), ("e1", "<f4"), ("e2", "<f4"), ("e3", "<f4"), ("mad", "<f4"), ("bc", "u1"), ("bs", "u1"),
             ("bands", "u1"), ("error", "u1"), ("reliability", "<f4")]  # fmt: skip
    data = np.zeros(rows * columns, dtype=kinds)
    data["phase"] = crystals.phase_ids.ravel()
    data["mad"], data["bc"] = crystals.quality.ravel(), 99
    for name, values in zip(("e1", "e2", "e3"), vendor_angles(crystals, frame, "a*").T, strict=True):
        data[name] = np.where(data["phase"] > 0, values, 0.0)
    data.tofile(path.with_suffix(".crc"))
    return path


def write_h5oina(crystals: Crystals, folder: Path, frame: str = "oxford-cs1") -> Path:
    rows, columns = crystals.shape
    path = folder / "aztec.h5oina"
    with h5py.File(path, "w") as file:
        file["Manufacturer"] = np.array([b"Oxford Instruments"])
        file["Format Version"] = np.array([b"5.0"])
        file["Index"] = np.array([b"1"])
        header, data = file.create_group("1/EBSD/Header"), file.create_group("1/EBSD/Data")
        for name, value in (("X Cells", columns), ("Y Cells", rows)):
            header[name] = np.array([value], dtype=np.int32)
        for name, value in (("X Step", crystals.spacing[1]), ("Y Step", crystals.spacing[0])):
            header[name] = np.array([value], dtype=np.float32)
        header["Specimen Orientation Euler"] = np.zeros((1, 3), dtype=np.float32)
        for number, phase in enumerate(crystals.phases, start=1):
            group = header.create_group(f"Phases/{number}")
            group["Phase Name"] = np.array([phase.name.encode()])
            group["Lattice Dimensions"] = np.array([phase.lattice[:3]], dtype=np.float32)
            group["Lattice Angles"] = np.deg2rad([phase.lattice[3:]]).astype(np.float32)
            group["Laue Group"] = np.array([LAUE_GROUPS.index(phase.laue) + 1], dtype=np.int32)
            group["Space Group"] = np.array([phase.space_group], dtype=np.int32)
        phase_ids = crystals.phase_ids.ravel()
        angles = np.where(phase_ids[:, None] > 0, vendor_angles(crystals, frame, "a*"), 0.0)
        data["Phase"] = phase_ids.astype(np.uint8)[:, None]
        data["Euler"] = angles.astype(np.float32)
        data["Band Contrast"] = np.full((len(phase_ids), 1), 99, dtype=np.uint8)
        data["Mean Angular Deviation"] = np.deg2rad(crystals.quality.ravel()).astype(np.float32)[:, None]
    return path


def edax_layout(file: h5py.File, crystals: Crystals, frame: str, scan: str, points: str = "all") -> None:
    rows, columns = crystals.shape
    header, data = file.create_group(f"{scan}/EBSD/Header"), file.create_group(f"{scan}/EBSD/Data")
    header["Grid Type"] = np.array([b"SqrGrid"])
    for name, value in (("nColumns", columns), ("nRows", rows)):
        header[name] = np.array([value], dtype=">i4")
    for name, value in (("Step X", crystals.spacing[1]), ("Step Y", crystals.spacing[0])):
        header[name] = np.array([value], dtype=">f4")
    header["Coordinate System/ID"] = np.array([int(frame[-1])], dtype=">i4")
    for number, phase in enumerate(crystals.phases, start=1):
        group = header.create_group(f"Phase/{number}")
        group["MaterialName"] = np.array([phase.name.encode()])
        group["Symmetry"] = np.array([TSL[phase.laue]], dtype=">i4")
        for key, value in zip(("a", "b", "c", "alpha", "beta", "gamma"), phase.lattice, strict=True):
            group[f"Lattice Constant {key}"] = np.array([value], dtype=">f4")
    columns_ = ang_columns(crystals, frame)
    for name, values in zip(("Phi1", "Phi", "Phi2", "X Position", "Y Position", "IQ", "CI"), columns_, strict=False):
        data[name] = values.astype(np.float32)
    data["Phase"] = columns_[7].astype(np.int8)


def write_edax_h5(crystals: Crystals, folder: Path, frame: str = "edax-2") -> Path:
    path = folder / "oim.oh5"
    with h5py.File(path, "w") as file:
        file[" Manufacturer"] = np.array([b"EDAX"])
        file[" Version"] = np.array([b"OIM Analysis 7.2.1"])
        edax_layout(file, crystals, frame, "Scan_1")
    return path


def write_emsoft_h5(crystals: Crystals, folder: Path, frame: str = "edax-2") -> Path:
    path = folder / "emsoft.h5"
    with h5py.File(path, "w") as file:
        file["Manufacturer"] = np.array([b"EMEBSDDictionaryIndexing.f90"])
        file["EMheader/EBSD/ProgramName"] = np.array([b"EMEBSDDI.f90"])
        edax_layout(file, crystals, frame, "Scan 1")
        data = file["Scan 1/EBSD/Data"]
        angles = np.stack([data[name][()] for name in ("Phi1", "Phi", "Phi2")], axis=1)
        for name in ("Phi1", "Phi", "Phi2"):
            del data[name]
        data["DictionaryEulerAngles"] = np.rad2deg(angles[::-1].astype(np.float64))
        data["TopMatchIndices"] = np.stack([np.arange(len(angles), 0, -1), np.ones(len(angles))], 1).astype(np.int32)
        data["RefinedEulerAngles"] = angles
    return path


def write_bruker_h5(crystals: Crystals, folder: Path, frame: str = "bruker") -> Path:
    rows, columns = crystals.shape
    path = folder / "esprit.h5"
    order = np.random.default_rng(3).permutation(rows * columns)
    with h5py.File(path, "w") as file:
        file["Manufacturer"] = np.array([b"Bruker Nano"])
        file["Version"] = np.array([b"Esprit 2.X"])
        header, data = file.create_group("Scan 0/EBSD/Header"), file.create_group("Scan 0/EBSD/Data")
        for name, value in (("NCOLS", columns), ("NROWS", rows)):
            header[name] = np.int32(value)
        header["XSTEP"], header["YSTEP"] = crystals.spacing[1], crystals.spacing[0]
        header["Grid Type"] = np.array([b"isometric"])
        for number, phase in enumerate(crystals.phases, start=1):
            group = header.create_group(f"Phases/{number}")
            group["Name"] = np.array([phase.name.encode()])
            group["IT"] = np.int32(phase.space_group)
            group["LatticeConstants"] = np.array(phase.lattice, dtype=np.float32)
        phase_ids = crystals.phase_ids.ravel()[order]
        angles = np.rad2deg(vendor_angles(crystals, frame, "a*"))[order]
        for name, values in zip(("phi1", "PHI", "phi2"), angles.T, strict=True):
            data[name] = np.where(phase_ids > 0, values, 0.0).astype(np.float32)
        data["Phase"] = phase_ids.astype(np.int32)
        data["MAD"] = crystals.quality.ravel()[order].astype(np.float32)
        file["Scan 0/SEM/SEM IX"] = (order % columns + 7).astype(np.int32)
        file["Scan 0/SEM/SEM IY"] = (order // columns + 2).astype(np.int32)
    return path


def write_orix_h5(crystals: Crystals, folder: Path, frame: str = "none") -> Path:
    from diffpy.structure import Lattice, Structure
    from orix.crystal_map import CrystalMap, PhaseList
    from orix.crystal_map import Phase as OrixPhase
    from orix.io import save
    from orix.quaternion import Rotation

    y, x = (index.ravel() * step for index, step in zip(np.indices(crystals.shape), crystals.spacing, strict=True))
    phases = PhaseList(
        phases={
            number: OrixPhase(
                phase.name, space_group=phase.space_group, structure=Structure(lattice=Lattice(*phase.lattice))
            )
            for number, phase in enumerate(crystals.phases)
        }
    )
    phases.add_not_indexed()
    rotations = Rotation.from_euler(vendor_angles(crystals, frame, "a"))
    quality = {"MAD": crystals.quality.ravel()}
    numbers = crystals.phase_ids.ravel() - 1
    path = folder / "orix.h5"
    crystal_map = CrystalMap(rotations, numbers, x=x, y=y, phase_list=phases, prop=quality, scan_unit="um")
    save(str(path), crystal_map, overwrite=True)
    return path


def write_kikuchipy_h5(crystals: Crystals, folder: Path, frame: str = "none") -> Path:
    """kikuchipy keeps what orix writes beside its patterns."""
    path = folder / "kikuchipy.h5"
    with h5py.File(write_orix_h5(crystals, folder, frame)) as orix, h5py.File(path, "w") as file:
        file["manufacturer"], file["version"] = np.array([b"kikuchipy"]), np.array([b"0.11.0"])
        file.create_group("Scan 1/EBSD/CrystalMap")
        orix.copy("crystal_map", file["Scan 1/EBSD/CrystalMap"])
        file["Scan 1/EBSD/Data/patterns"] = np.zeros((crystals.phase_ids.size, 4, 4), dtype=np.uint8)
        file["Scan 1/EBSD/Header/n_rows"] = np.array([crystals.shape[0]])
    return path


MTEX = {"6/mmm": "X||a*, Y||b, Z||c", "-3m": "X||a*, Y||b, Z||c", "2/m": "X||a*, Y||b, Y||b*, Z||c"}


def write_mtex_h5(crystals: Crystals, folder: Path, frame: str = "none") -> Path:
    path = folder / "mtex.h5"
    with h5py.File(path, "w") as file:
        group = file.create_group("ebsd")
        group.attrs["DataType"], group.attrs["CreationTime"] = np.bytes_("EBSD"), np.bytes_("01-Jan-2024")
        item = group.create_dataset("Phase/0", data=[0.0])
        item.attrs["Name"] = np.bytes_("notIndexed")
        for number, phase in enumerate(crystals.phases, start=1):
            item = group.create_dataset(f"Phase/{number}", data=[float(number)])
            item.attrs["Name"] = np.bytes_({"-3m": "-3m1", "2/m": "12/m1"}.get(phase.laue, phase.laue))
            item.attrs["Mineral"] = np.bytes_(phase.name)
            for key, value in zip(("a", "b", "c"), phase.lattice, strict=False):
                item.attrs[key] = value
            for key, value in zip(("alpha", "beta", "gamma"), phase.lattice[3:], strict=True):
                item.attrs[key] = np.deg2rad(value)
            if phase.laue in MTEX:
                item.attrs["Alignment"] = np.bytes_(MTEX[phase.laue])
        angles = np.where(crystals.phase_ids.ravel()[:, None] > 0, vendor_angles(crystals, frame, "a*"), np.nan)
        item = group.create_dataset("Orientations", data=angles.astype(np.float32))
        item.attrs["Unit"] = np.bytes_("Radian")
        group["PhaseIndex"] = crystals.phase_ids.ravel()[:, None].astype(np.uint8)
        y, x = (i.ravel() * step for i, step in zip(np.indices(crystals.shape), crystals.spacing, strict=True))
        group["SpatialCoordinates"] = np.stack([x, y, 0 * x], axis=1).astype(np.float32)
        group["Properties/mad"] = crystals.quality.reshape(-1, 1).astype(np.float32)
    return path


def write_table(crystals: Crystals, folder: Path, frame: str = "oxford-cs0") -> Path:
    """What Channel 5 exports: points alone, without phases."""
    columns, (dy, dx) = crystals.shape[1], crystals.spacing
    angles = np.rad2deg(vendor_angles(crystals, frame, "a*"))
    lines = ["\t".join(["Index", "Phase", "X", "Y", "Euler1", "Euler2", "Euler3", "MAD", "BC"])]
    for i, (phase, euler) in enumerate(zip(crystals.phase_ids.ravel(), angles, strict=True)):
        at = f"{i % columns * dx:g}\t{i // columns * dy:g}"
        turned = "\t".join(f"{value:.5f}" for value in euler)
        lines.append(f"{i + 1}\t{phase}\t{at}\t{turned}\t{crystals.quality.flat[i]:.4f}\t99")
    path = folder / "channel5.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def write_h5ebsd(crystals: Crystals, folder: Path, frame: str = "edax-2", maker: str = "TSL") -> Path:
    shape = crystals.shape if len(crystals.shape) == 3 else (1, *crystals.shape)
    nz, ny, nx = shape
    spacing = (1.0, *crystals.spacing)[-3:]
    path = folder / f"{maker.lower()}.h5ebsd"
    tsl = maker == "TSL"
    angles = vendor_angles(crystals, frame, "a" if tsl else "a*")
    phase_ids = crystals.phase_ids.ravel()
    angles = np.where(phase_ids[:, None] > 0, angles, 4 * np.pi if tsl else 0.0)
    angles = (angles if tsl else np.rad2deg(angles)).reshape(nz, ny * nx, 3).astype(np.float32)
    with h5py.File(path, "w") as file:
        file.attrs["FileVersion"] = np.uint32(5)
        file["Manufacturer"] = np.bytes_(maker)
        for name, value in zip(("Z Resolution", "Y Resolution", "X Resolution"), spacing, strict=True):
            file[name] = np.float32(value)
        for name, value in (("Max X Points", nx), ("Max Y Points", ny), ("ZStartIndex", 4), ("ZEndIndex", nz + 3)):
            file[name] = np.int64(value)
        file["Stacking Order"] = np.uint32(0)
        turns = {"Sample": (180.0, (0, 1, 0)), "Euler": (90.0, (0, 0, 1))}
        for kind, (angle, axis) in turns.items():
            file[f"{kind}TransformationAngle"] = np.float32(angle if tsl else 0.0)
            file[f"{kind}TransformationAxis"] = np.array(axis, dtype=np.float32)
        for z in range(nz):
            header, data = file.create_group(f"{z + 4}/Header"), file.create_group(f"{z + 4}/Data")
            sizes = {"NCOLS_ODD": nx, "NCOLS_EVEN": nx, "NROWS": ny} if tsl else {"XCells": nx, "YCells": ny}
            for name, value in sizes.items():
                header[name] = np.int32(value)
            for number, phase in enumerate(crystals.phases, start=1):
                group = header.create_group(f"Phases/{number}")
                group["LatticeConstants"] = np.array(phase.lattice, dtype=np.float32)
                group["MaterialName" if tsl else "PhaseName"] = np.bytes_(phase.name)
                group["Symmetry" if tsl else "LaueGroup"] = np.int32(
                    TSL[phase.laue] if tsl else LAUE_GROUPS.index(phase.laue) + 1
                )
            names = ("Phi1", "Phi", "Phi2") if tsl else ("Euler1", "Euler2", "Euler3")
            for name, values in zip(names, angles[z].T, strict=True):
                data[name] = values
            ids = phase_ids.reshape(nz, -1)[z]
            numbers = np.where(ids > 0, 0, 0) if tsl and len(crystals.phases) == 1 else ids
            data["PhaseData" if tsl else "Phase"] = numbers.astype(np.int32)
            quality = crystals.quality.reshape(nz, -1)[z]
            data["Confidence Index" if tsl else "MAD"] = np.where(ids > 0, quality, -1.0).astype(np.float32)
    return path


def write_h5ebsd_hkl(crystals: Crystals, folder: Path, frame: str = "oxford-cs0") -> Path:
    return write_h5ebsd(crystals, folder, frame, "HKL")


@dataclass(frozen=True)
class Sample:
    """How the file of a format is written and what is expected of its reader."""

    write: Callable[..., Path]
    frame: str
    stated: bool
    tolerance: float = 1e-6
    quality: str = "CI"
    volumes: bool = False
    several: bool = True
    always_indexed: bool = False


SAMPLES: dict[str, Sample] = {
    "ang": Sample(write_ang, "edax-2", False),
    "ctf": Sample(write_ctf, "oxford-cs0", False, quality="MAD", volumes=True),
    "cpr": Sample(write_cpr, "oxford-cs0", False, 1e-5, quality="MAD"),
    "h5oina": Sample(write_h5oina, "oxford-cs1", True, 1e-5, quality="MAD"),
    "edax-h5": Sample(write_edax_h5, "edax-2", True, 1e-5),
    "bruker-h5": Sample(write_bruker_h5, "bruker", False, 1e-5, quality="MAD"),
    "emsoft-h5": Sample(write_emsoft_h5, "edax-2", True, 1e-5, several=False, always_indexed=True),
    "orix-h5": Sample(write_orix_h5, "none", False, quality="MAD"),
    "kikuchipy-h5": Sample(write_kikuchipy_h5, "none", False, quality="MAD"),
    "mtex-h5": Sample(write_mtex_h5, "none", False, 1e-5, quality="mad"),
    "table": Sample(write_table, "oxford-cs0", False, 1e-5, quality="MAD"),
    "h5ebsd": Sample(write_h5ebsd, "edax-2", True, 1e-5, volumes=True),
    "h5ebsd-hkl": Sample(write_h5ebsd_hkl, "oxford-cs0", False, 1e-5, quality="MAD", volumes=True),
}


@pytest.fixture(scope="session")
def samples() -> dict[str, Sample]:
    return SAMPLES


@pytest.fixture(scope="session")
def crystals() -> Callable[..., Crystals]:
    """Makes a synthetic crystal field of a shape: one phase, or several."""

    def make(shape, several=True, seed=1, all_indexed=False):
        made = make_crystals(shape, SEVERAL if several else SINGLE, seed)
        if all_indexed:
            made.phase_ids[made.phase_ids == 0] = 1
        return made

    return make


@pytest.fixture
def halves():
    """Two grains of (3, 4, 3) voxels each, side by side along x, not periodic; columns 2 and 3 lie at the boundary."""
    from polyrve.crystallography import rotation
    from polyrve.microstructure.fields import OrientationVolume
    from polyrve.microstructure.segmentation import segment

    angle = np.repeat([0.0, 0.5], 3) + np.array([0.0, 0.01, 0.02, 0.0, 0.01, 0.02])
    q = np.broadcast_to(rotation.from_axis_angle([0.0, 0.0, 1.0], angle), (3, 4, 6, 4))
    return segment(OrientationVolume(q, np.ones((3, 4, 6), dtype=int), (Phase("Al"),), (1.0, 1.0, 1.0)))


@pytest.fixture
def two_phase_grains():
    """Eight grains of two phases on (3, 4, 5) voxels of unequal edges, each voxel a little off its grain's mean."""
    from polyrve.crystallography import rotation
    from polyrve.microstructure.fields import OrientationVolume
    from polyrve.microstructure.grains import GrainVolume

    rng = np.random.default_rng(7)
    phases = (
        Phase("Al", "m-3m", (4.05, 4.05, 4.05, 90, 90, 90), 225),
        Phase("Mg (alpha)", "6/mmm", (3.2, 3.2, 5.2, 90, 90, 120), 194),
    )
    ids = np.concatenate([np.arange(1, 9), rng.integers(1, 9, 52)])
    ids = rng.permutation(ids).reshape(3, 4, 5).astype(np.int32)
    mean = rotation.random_orientations(8, rng)
    phase_ids = np.array([1, 2, 1, 1, 2, 2, 1, 2])
    scatter = rotation.from_axis_angle(rng.standard_normal((3, 4, 5, 3)), rng.normal(0.0, 0.01, (3, 4, 5)))
    field = OrientationVolume(
        quaternions=rotation.multiply(scatter, mean[ids - 1]),
        phase_ids=phase_ids[ids - 1],
        phases=phases,
        spacing=(0.7, 0.35, 1.1),
        origin=(1.0, -2.0, 3.1),
        periodic=True,
        properties={"CI": rng.random((3, 4, 5)), "strain": rng.random((3, 4, 5, 6)).astype(np.float32)},
        provenance={"source": "test", "settings": {"shape": [3, 4, 5], "seed": 7}},
    )
    return GrainVolume(field, ids, mean, phase_ids)


_AL, _TI = Phase("Al", "m-3m", (4.05, 4.05, 4.05, 90, 90, 90)), Phase("Ti", "6/mmm", (2.95, 2.95, 4.68, 90, 90, 120))


def grained(phases=(_AL, _TI), seed=0):
    """Five blocks of voxels, each a grain, in 3 x 4 x 5 voxels of 0.5, 0.5, 0.5 um."""
    from polyrve.crystallography import rotation
    from polyrve.microstructure.fields import OrientationVolume
    from polyrve.microstructure.grains import GrainVolume

    rng = np.random.default_rng(seed)
    ids = np.ones((3, 4, 5), dtype=int)
    ids[1:, :2, :3], ids[1:, 2:, :3], ids[:, :2, 3:], ids[:, 2:, 3:] = 2, 3, 4, 5
    q = rotation.random_orientations(5, rng)
    of = np.array([1, 2, 1, 2, 1]) if len(phases) == 2 else np.ones(5, dtype=int)
    field = OrientationVolume(q[ids - 1], of[ids - 1], phases, (0.5,) * 3, origin=(0.5, 1.0, -2.0), periodic=True)
    return GrainVolume(field, ids, q, of)


def write_labdct(path, rve, kind="Quaternion", **more):
    """A file of GrainMapper3D as simplnx's test writes it; orientations turn from crystal to specimen."""
    from polyrve.crystallography import rotation

    g = rotation.to_matrix(rve.field.quaternions).reshape(-1, 3, 3)
    w = 0.5 * np.sqrt(1.0 + np.trace(g, axis1=1, axis2=2))
    # of the transpose of g, which takes crystal to specimen
    vector = np.column_stack([g[:, 1, 2] - g[:, 2, 1], g[:, 2, 0] - g[:, 0, 2], g[:, 0, 1] - g[:, 1, 0]])
    vector /= 4.0 * w[:, None]
    angles = np.column_stack([
        np.arctan2(g[:, 2, 0], -g[:, 2, 1]), np.arccos(g[:, 2, 2]), np.arctan2(g[:, 0, 2], g[:, 1, 2]),
    ])  # fmt: skip
    values = {"Quaternion": np.column_stack([w, vector]), "Rodrigues": vector / w[:, None], "EulerZXZ": angles}[kind]
    with h5py.File(path, "w") as file:
        dct = file.create_group("LabDCT")
        dct["Spacing"], dct["Center"] = [0.0005] * 3, [0.0, 0.001, 0.002]
        data = dct.create_group("Data")
        data["PhaseId"] = rve.field.phase_ids.astype(np.uint8)
        data["GrainId"] = rve.grain_ids.astype(np.int32)
        data["Completeness"] = np.linspace(0, 1, 60).reshape(3, 4, 5)
        data[kind] = values.reshape(3, 4, 5, -1)
        for name, array in more.items():
            data[name] = array
        for i, (phase, group) in enumerate(zip(rve.field.phases, (225, 194), strict=False), start=1):
            item = file.create_group(f"PhaseInfo/Phase0{i}")
            item["Name"], item["SpaceGroup"], item["UnitCell"] = phase.name, group, phase.lattice


def write_3dxrd(path, rve):
    """A map of ImageD11: rows of UBI are a, b, c in the axes of the specimen; the first voxel is not indexed."""
    from polyrve.crystallography import rotation

    cells = np.array([4.05 * np.eye(3), [[2.95, 0, 0], [-2.95 / 2, 2.95 * np.sqrt(3) / 2, 0], [0, 0, 4.68]]])
    vectors = cells[rve.field.phase_ids - 1] @ rotation.to_matrix(rve.field.quaternions)
    vectors[0, 0, 0] = np.nan
    with h5py.File(path, "w") as file:
        group = file.create_group("TensorMap")
        group["maps/UBI"], group["step"] = vectors, [0.5, 1.0, 2.0]
        group["maps/phase_ids"], group["maps/labels"] = rve.field.phase_ids - 1, rve.grain_ids - 1
        group["phases/0"], group["phases/1"] = "4.05 4.05 4.05 90 90 90 225", "2.95 2.95 4.68 90 90 120 P"
        group["phases/0"].attrs["phase_name"] = "Al"


def write_midas(path, angles):
    """A layer of triangles of edge 2 um in two halves, of low confidence below y = 1 um."""
    x, y = np.meshgrid(np.arange(0, 12, 1.0), np.arange(0, 10, 1.732))
    rows = []
    for i, (px, py) in enumerate(zip(x.ravel(), y.ravel(), strict=True)):
        psi, phi, theta = angles[int(px > 5)]
        rows.append(
            f"{i} {i} 0.1 {px:.4f} {py:.4f} 2.0 {1 - 2 * (i % 2)} {psi} {phi} {theta} {0.02 if py < 1 else 0.9} 1"
        )
    head = "%TriEdgeSize 2.000000\n%NumPhases 1\n%GlobalPosition 30.0\n%OrientationRowNr OrientationID RunTime X Y\n"
    path.write_text(head + "\n".join(rows) + "\n")


@pytest.fixture(scope="session")
def volume_files():
    """A volume of five grains, and writers of files that polyrve reads alone."""
    return SimpleNamespace(grained=grained, labdct=write_labdct, xrd3d=write_3dxrd, midas=write_midas)
