"""Mutated files: a reader returns a map or raises FormatError, soon, in little memory.

200 files per reader, 10,000 with ``-m slow``; the environment variable POLYRVE_FUZZ sets another number.
"""

import os
import random
import resource
import time
import warnings

import h5py
import numpy as np
import pytest

import polyrve
from polyrve.adapters.registry import FormatError
from polyrve.crystallography import rotation
from polyrve.microstructure.fields import OrientationMap

COUNTS = [int(os.environ.get("POLYRVE_FUZZ", "200")), pytest.param(10_000, marks=pytest.mark.slow)]
READERS = [
    "ang", "ctf", "cpr", "crc", "h5oina", "edax-h5", "bruker-h5", "emsoft-h5", "orix-h5", "kikuchipy-h5", "mtex-h5",
    "h5ebsd", "h5ebsd-hkl", "dream3d", "table",
]  # fmt: skip
VOLUMES = {
    "vti": "a.vti", "vtkhdf": "a.vtkhdf", "abaqus": "a.inp", "los-alamos": "a.txt", "moose": "a.inl", "tesr": "a.tesr",
    "spparks": "a.sites", "labdct": "a.h5", "3dxrd": "a.h5", "midas": "a.mic",
}  # fmt: skip
"""Files of volumes, by the name of their format."""
SECONDS, BYTES = 5.0, 200_000_000
TOKENS = [b"9" * 12, b"-", b"1e308", b"nan", b"inf", b"\xff" * 8, b"\0" * 8, b"\n", b"\t", b",", b"0", b"99999"]


def mutated_bytes(data: bytes, rng: random.Random) -> bytes:
    content = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 4, 16])):
        at, length = rng.randrange(len(content) or 1), rng.randrange(1, 32)
        kind = rng.randrange(6)
        if kind == 0:
            content[at : at + 1] = bytes([rng.randrange(256)])
        elif kind == 1:
            del content[at : at + length]
        elif kind == 2:
            content[at:at] = content[at : at + length]
        elif kind == 3:
            content[at : at + length] = rng.randbytes(length)
        elif kind == 4:
            content[at : at + 1] = rng.choice(TOKENS)
        elif rng.random() < 0.1:
            del content[at:]
    return bytes(content)


def mutated_lines(data: bytes, rng: random.Random) -> bytes:
    """Change whole lines or columns of a text: repeated, left out, moved, or in another unit."""
    lines = data.decode("latin-1").split("\n")
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    kind = rng.randrange(6)
    if kind == 0:
        lines[at:at] = [lines[other]] * rng.choice([1, 1, 1000])
    elif kind == 1:
        del lines[at : at + rng.choice([1, 4])]
    elif kind == 2:
        lines[at], lines[other] = lines[other], lines[at]
    elif kind == 3:
        lines[at] = lines[at].replace(rng.choice("0123456789.:\t "), rng.choice(["-", "", "99", "e9", "nan ", "\0"]))
    else:
        first, factor = rng.randrange(8), rng.choice([180 / np.pi, np.pi / 180, -1.0, 0.0, 1e9])
        columns = slice(first, first + rng.choice([1, 3]))
        for i in range(at, len(lines)):
            separator = "\t" if "\t" in lines[i] else "," if "," in lines[i] else " "
            parts = [part for part in lines[i].split(separator) if part]
            try:
                parts[columns] = [f"{float(part) * factor:.5g}" for part in parts[columns]]
            except ValueError:
                continue
            lines[i] = separator.join(parts)
    return "\n".join(lines).encode("latin-1")


def mutate_links(path, rng: random.Random) -> None:
    """Change an HDF5 file: links added or put in place of an object, a heap left behind, attributes, another unit."""
    with h5py.File(path, "r+") as file:
        groups, names = ["/"], []
        file.visititems(lambda name, item: (groups if isinstance(item, h5py.Group) else names).append(name))
        parent, target, name = file[rng.choice(groups)], rng.choice(groups), rng.choice(names)
        kind = rng.randrange(7)
        if kind == 0:
            for number in range(10):
                parent[f"zz{number}"] = file[target]
        elif kind == 1:
            parent["aa"] = h5py.SoftLink(target)
        elif kind == 2:
            parent["bb"] = h5py.ExternalLink("absent.h5", "/")
        elif kind == 3:
            del file[name]
            file[name] = h5py.ExternalLink(rng.choice(["absent.h5", path.name]), name)
        elif kind == 4:
            file.create_group("left/over")["value"] = np.array([b"text" * 20])
            del file["left"]
        elif kind == 5:
            owner = rng.choice([file[path] for path in (*groups, *names) if file[path].attrs] or [file])
            owner.attrs[rng.choice(list(owner.attrs) or ["DataType"])] = rng.choice(
                [
                    "text",
                    ["several", "texts"],
                    h5py.Empty("f8"),
                    np.full(9, np.nan),
                    -(2**40),
                    np.bytes_(b"\xff\0x"),
                    True,
                ]
            )
        else:
            values = file[name][()]
            if values.dtype.kind == "f":
                file[name][...] = values * rng.choice([180 / np.pi, np.pi / 180])


def mutate_objects(path, rng: random.Random) -> None:
    """Replace or remove one dataset of an HDF5 file."""
    with h5py.File(path, "r+") as file:
        names = []
        file.visititems(lambda name, item: names.append(name))
        name = rng.choice(sorted(names))
        item = file[name]
        values = np.asarray(item[()]) if isinstance(item, h5py.Dataset) and item.shape is not None else None
        attributes = dict(item.attrs)
        del file[name]
        kind = rng.randrange(8)
        if kind == 0 or values is None:
            return
        if kind == 1:
            file.create_dataset(name, shape=(10**9,), dtype=np.float64, chunks=(1024,))
        elif kind == 2:
            file[name] = np.array([b"text"])
        elif kind == 3:
            file[name] = h5py.Empty("f8")
        elif kind == 4:
            file.create_group(name)
        elif kind == 5 and values.dtype.kind in "fiu":
            file[name] = np.full(np.shape(values), rng.choice([-1, 0, 10**9, 255]) % 2**31, dtype=np.int64)
        elif kind == 6 and values.dtype.kind in "fiu":
            file[name] = np.full(np.shape(values), rng.choice([np.nan, np.inf, -1e300, 0.5]))
        else:
            file[name] = np.ravel(values)[: rng.randrange(3)]
        if name in file:
            file[name].attrs.update(attributes)


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("name", [*READERS, *VOLUMES])
def test_mutated_files(samples, crystals, volume_files, tmp_path, name, count):
    truth = crystals((4, 5), several=name in ("ang", "ctf", "cpr", "crc"), all_indexed=name == "emsoft-h5")
    if name in VOLUMES:
        path = tmp_path / VOLUMES[name]
        made = {"labdct": volume_files.labdct, "3dxrd": volume_files.xrd3d}.get(name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if name == "midas":
                volume_files.midas(path, np.array([[0.3, 0.5, 1.1], [2.0, 1.0, 0.2]]))
            elif made is not None:
                made(path, volume_files.grained())
            else:
                polyrve.write(volume_files.grained(), path, format=name)
    elif name == "dream3d":
        path = tmp_path / "map.dream3d"
        polyrve.write(
            OrientationMap(rotation.from_matrix(truth.matrices), truth.phase_ids, truth.phases, truth.spacing), path
        )
    else:
        path = samples["cpr" if name == "crc" else name].write(truth, tmp_path)
    target = path.with_suffix(".crc") if name == "crc" else path
    original = target.read_bytes()
    format_name = {"crc": "cpr", "h5ebsd-hkl": "h5ebsd"}.get(name, name)
    rng = random.Random(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        polyrve.read(path, format=format_name)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused = 0
    for number in range(count):
        if original.startswith(b"\x89HDF") and number % 4 == 0:
            target.write_bytes(original)
            (mutate_links if number % 8 else mutate_objects)(target, rng)
            if number % 3 == 0:
                target.write_bytes(mutated_bytes(target.read_bytes(), rng))
        elif number % 4 == 0 and name != "crc":
            target.write_bytes(mutated_lines(original, rng))
        else:
            target.write_bytes(mutated_bytes(original, rng))
        start = time.process_time()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                polyrve.read(path, format=format_name)
        except FormatError:
            refused += 1
        assert time.process_time() - start < SECONDS, f"mutation {number}"
    assert 0 < refused < count
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < BYTES
