"""Volumes: formats of DREAM.3D and ParaView."""
