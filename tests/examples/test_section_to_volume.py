import importlib.util
from pathlib import Path

PATH = Path(__file__).resolve().parents[2] / "examples" / "section_to_volume.py"


def test_tiny_run_draws_and_keeps_the_texture(tmp_path):
    spec = importlib.util.spec_from_file_location("section_to_volume", PATH)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    validation = example.main(side=32, voxels=12, iterations=2, grain_size=5.0, figure=tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    row = next(row for row in validation.results if row.group == "texture")
    assert row.value < 0.6
