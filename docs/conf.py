"""Sphinx configuration: ``make docs``."""

from polyrve import __version__

project = "polyrve"
author = "The polyrve developers"
release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
napoleon_google_docstring = False
autodoc_typehints = "none"
autodoc_default_options = {"members": True}
html_theme = "alabaster"
exclude_patterns = ["figures"]
suppress_warnings = ["docutils", "toc.not_included", "ref.python"]
