"""Make a volume from an EBSD map with Kanapy, in an environment that has Kanapy.

    python benchmarks/kanapy_rve.py map.ang volume.npz VOXELS SIZE_UM

Kanapy takes the statistics of the map, cut off at their 5 and 95 % quantiles. The file holds one scalar-first
quaternion per voxel, shape (nz, ny, nx, 4), and the time of each step.
"""

import sys
import time

import matplotlib as mpl

mpl.use("Agg")

import kanapy
import numpy as np
from kanapy.core.api import Microstructure
from kanapy.core.initializations import set_stats
from kanapy.texture import EBSDmap
from orix.quaternion import Orientation


def main(source: str, target: str, voxels: int, size: float) -> None:
    start = time.perf_counter()
    scan = EBSDmap(source, show_plot=False, show_hist=False)
    phase = scan.ms_data[0]
    seconds = {"map": time.perf_counter() - start}
    print("equivalent diameter", phase["gs_param"], "aspect ratio", phase["ar_param"], "tilt", phase["om_param"])
    cutoffs = {
        "deq_min": float(np.quantile(phase["gs_data"], 0.05)),
        "deq_max": float(np.quantile(phase["gs_data"], 0.95)),
        "asp_min": 1.0,
        "asp_max": float(np.quantile(phase["ar_data"], 0.95)),
    }
    statistics = set_stats(
        phase["gs_param"], ar=phase["ar_param"], omega=phase["om_param"], size=size, voxels=voxels, periodicity=True,
        VF=1.0, phasename=phase["name"], phasenum=0, **cutoffs,
    )  # fmt: skip
    start = time.perf_counter()
    model = Microstructure(descriptor=statistics, name="peer")
    model.init_RVE()
    model.pack()
    model.voxelize()
    seconds["geometry"] = time.perf_counter() - start
    start = time.perf_counter()
    model.generate_orientations(scan)
    seconds["orientations"] = time.perf_counter() - start
    grains = np.asarray(model.mesh.grains)
    table = np.zeros((int(grains.max()) + 1, 4))
    for grain, angles in model.mesh.grain_ori_dict.items():
        table[grain] = Orientation.from_euler(np.asarray(angles)).data[0]
    quaternions = table[np.moveaxis(grains, (0, 1, 2), (2, 1, 0))]
    np.savez(target, quaternions=quaternions, version=kanapy.__version__, **seconds)
    print(seconds, "grains", len(np.unique(grains)))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
