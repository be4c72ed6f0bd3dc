"""Solvers: input of full-field and finite-element programs."""
