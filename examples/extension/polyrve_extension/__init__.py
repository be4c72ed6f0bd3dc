"""A format, a descriptor and a metric for polyrve, each in one module."""
