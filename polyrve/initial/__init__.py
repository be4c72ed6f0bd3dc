"""Where a reconstruction begins: random orientations, a polycrystal of Laguerre cells, or pixels of the maps."""
