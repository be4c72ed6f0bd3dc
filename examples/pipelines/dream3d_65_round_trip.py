"""Write the pipeline by which DREAM.3D 6.5's PipelineRunner reads a version 7 file, colours it and writes it again."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import h5py

CONTAINER, CELLS, ENSEMBLE = "DataContainer", "CellData", "CellEnsembleData"


def main(source: Path, target: Path, pipeline: Path) -> dict[str, Any]:
    """Write the pipeline from `source` to `target`; its reader lists what the file holds, as DREAM.3D asks."""
    steps = {
        "0": {
            **_head("DataContainerReader", "Read DREAM.3D Data File", "043cbde5-3878-5718-958f-ae75714df0df"),
            "InputFile": str(source.absolute()),
            "InputFileDataContainerArrayProxy": {"Data Containers": _containers(source)},
            "OverwriteExistingDataContainers": 0,
        },
        "1": {
            **_head("GenerateIPFColors", "Generate IPF Colors", "a50e6532-8075-5de5-ab63-945feb0de7f7"),
            "CellEulerAnglesArrayPath": _path(CELLS, "EulerAngles"),
            "CellPhasesArrayPath": _path(CELLS, "Phases"),
            "CrystalStructuresArrayPath": _path(ENSEMBLE, "CrystalStructures"),
            "GoodVoxelsArrayPath": _path(CELLS, "Mask"),
            "UseGoodVoxels": 1,
            "CellIPFColorsArrayName": "IPFColorsByDREAM3D",
            "ReferenceDir": {"x": 0, "y": 0, "z": 1},
        },
        "2": {
            **_head("DataContainerWriter", "Write DREAM.3D Data File", "3fcd4c43-9d75-5b86-aad4-4441bc914f37"),
            "OutputFile": str(target.absolute()),
            "WriteTimeSeries": 0,
            "WriteXdmfFile": 1,
        },
        "PipelineBuilder": {"Name": "polyrve round trip", "Number_Filters": 3, "Version": 6},
    }
    pipeline.write_text(json.dumps(steps, indent=2) + "\n", encoding="utf-8")
    return steps


def _head(name: str, label: str, identifier: str) -> dict[str, Any]:
    return {
        "Filter_Name": name,
        "Filter_Human_Label": label,
        "Filter_Uuid": f"{{{identifier}}}",
        "Filter_Enabled": True,
        "FilterVersion": "6.5.171",
    }


def _path(matrix: str, array: str) -> dict[str, str]:
    return {"Data Container Name": CONTAINER, "Attribute Matrix Name": matrix, "Data Array Name": array}


def _containers(source: Path) -> list[dict[str, Any]]:
    with h5py.File(source, "r") as file:
        return [
            {
                "Name": name,
                "Flag": 2,
                "Type": 0,
                "Attribute Matricies": [
                    {
                        "Name": matrix,
                        "Flag": 2,
                        "Type": int(group.attrs["AttributeMatrixType"][0]),
                        "Data Arrays": [
                            {
                                "Name": array,
                                "Flag": 2,
                                "Path": group.name,
                                "Object Type": _text(item.attrs["ObjectType"]),
                                "Tuple Dimensions": item.attrs["TupleDimensions"].tolist(),
                                "Component Dimensions": item.attrs["ComponentDimensions"].tolist(),
                                "Version": int(item.attrs["DataArrayVersion"][0]),
                            }
                            for array, item in group.items()
                            if "ObjectType" in item.attrs
                        ],
                    }
                    for matrix, group in container.items()
                    if "AttributeMatrixType" in group.attrs
                ],
            }
            for name, container in file["DataContainers"].items()
        ]


def _text(value: bytes | str) -> str:
    return value.decode("ascii") if isinstance(value, bytes) else str(value)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="A .dream3d file of version 7.")
    parser.add_argument("target", type=Path, help="The file that DREAM.3D is to write.")
    parser.add_argument("pipeline", type=Path, nargs="?", default=Path("round_trip.json"))
    given = parser.parse_args()
    main(given.source, given.target, given.pipeline)
    print(f"PipelineRunner -p {given.pipeline}")
