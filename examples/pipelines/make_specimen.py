"""Write specimen.ang, the EBSD map that the pipelines of this folder read."""

from __future__ import annotations

import argparse
from pathlib import Path

from polyrve.adapters import registry
from polyrve.microstructure.instrument import simulate_scan
from polyrve.microstructure.synthetic import make_specimen


def main(path: Path = Path("specimen.ang"), size: int = 96) -> tuple[int, ...]:
    """Write one section of a synthetic specimen as EDAX software would."""
    truth = make_specimen((8, size, size), grain_size=8.0, seed=1)
    scan = simulate_scan(truth, 0, 4)
    registry.write(scan, path, force=True, frame="edax-2")
    return scan.shape


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", nargs="?", type=Path, default=Path("specimen.ang"))
    print("specimen.ang:", main(parser.parse_args().path), "points")
