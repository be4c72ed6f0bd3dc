"""A volume compared with the map or the truth it stands for: metrics, floors, limits and verdicts."""
