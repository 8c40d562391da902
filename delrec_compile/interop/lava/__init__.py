"""Lava: networks of lava-dl in their HDF5 description."""
