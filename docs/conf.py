"""Sphinx configuration: ``make docs``."""

import os
import sys
from pathlib import Path

from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent))
# For the kernels of the notebooks, which call polyrve as a command, too.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [sys.path[0], os.environ.get("PYTHONPATH")]))
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
os.environ["TERM"] = "dumb"

import generated_pages

import polyrve

project = "polyrve"
copyright = "The polyrve developers"
author = "The polyrve developers"
release = polyrve.__version__
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "sphinxcontrib.bibtex",
]
exclude_patterns = ["figures", "_templates", "**/*.codeobj.json", "gallery/*.ipynb", "gallery/*.py"]
suppress_warnings = ["ref.python", "config.cache", "misc.highlighting_failure", "ref.footnote", "myst-nb.lexer"]
highlight_language = "none"
smartquotes = False
templates_path = ["_templates"]

myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 4
nb_execution_mode = os.environ.get("POLYRVE_NOTEBOOKS", "off")
nb_execution_timeout = 600
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_merge_streams = True

napoleon_google_docstring = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
autosummary_imported_members = False
bibtex_bibfiles = ["references.bib"]
bibtex_default_style = "unsrt"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "plot_gallery": False,
    "ignore_pattern": r"study\.py|pipelines|extension",
    "show_memory": False,
    "write_computation_times": False,
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_signature": False,
    "default_thumb_file": str(Path(__file__).parent / "figures/section_to_volume.png"),
}

html_theme = "pydata_sphinx_theme"
html_title = "polyrve"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_show_sourcelink = False
html_favicon = "_static/favicon.svg"
html_context = {"default_mode": "auto"}
html_sidebars = {"index": [], "changelog": []}
html_theme_options = {
    "logo": {"text": f"polyrve {release}"},
    "header_links_before_dropdown": 7,
    "navbar_align": "left",
    "show_toc_level": 2,
    "navigation_with_keys": True,
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
    "pygments_light_style": "default",
    "pygments_dark_style": "github-dark",
}


def setup(app: Sphinx) -> None:
    """Write the pages of the command line, the settings and the formats before sources are read."""
    app.extensions["sphinx-mathjax-offline"].parallel_read_safe = True
    app.connect("builder-inited", generated_pages.write)
    app.connect("autodoc-process-docstring", generated_pages.escape_asterisks, priority=100)
    app.connect("missing-reference", generated_pages.public_name)
