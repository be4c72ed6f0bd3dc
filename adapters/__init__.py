"""File formats: one module per format, one table (:mod:`polyrve.adapters.registry`)."""
