"""Finite elements of a volume: voxels, and tetrahedra that follow the grain boundaries."""
