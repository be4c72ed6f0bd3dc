"""The help pages that DREAM3D-NX shows have the parameters that the filters have."""

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("filter_pages", ROOT / "docs" / "filter_pages.py")
filter_pages = sys.modules["filter_pages"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(filter_pages)


def test_every_filter_has_a_page():
    assert filter_pages.names() == sorted(path.stem for path in (ROOT / "filters").glob("*Filter.py"))


@pytest.mark.parametrize("name", filter_pages.names())
def test_tables_are_those_of_the_filters(name, simplnx):
    page = filter_pages.page(name)
    assert page == (filter_pages.HELP / f"{name}.md").read_text(encoding="utf-8"), "run python docs/filter_pages.py"
    filter_class = getattr(importlib.import_module(f"polyrve.filters.{name}"), name)
    keys = [key for key in filter_class().parameters().all if f"| `{key}` |" not in page]
    assert keys == []
