"""EBSD maps: formats of instruments and their software."""
