"""From maps and settings to a volume: the problem, its objective, the run, checkpoints and ensembles."""
