"""What a volume answers to load: bounds without a solver, runs of DAMASK, and what is read from their results."""
