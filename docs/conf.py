"""Sphinx configuration: ``make docs``."""

from polyrve import __version__

project = "polyrve"
copyright = "The polyrve developers"
author = "The polyrve developers"
release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 4
napoleon_google_docstring = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
highlight_language = "none"
html_theme = "alabaster"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_title = f"polyrve {release}"
html_theme_options = {
    "description": "EBSD maps in, simulation-ready 3D polycrystal volumes out",
    "fixed_sidebar": True,
    "page_width": "1240px",
    "sidebar_width": "250px",
    "body_max_width": "960px",
}
html_sidebars = {"**": ["about.html", "searchfield.html", "navigation.html"]}
exclude_patterns = ["figures"]
suppress_warnings = ["docutils", "ref.python"]
