"""Approaches 1, 2 and 3 to compute-optimal training, side by side.

Read `trend` (a power law through optima), `envelope` (1), `isoflop` and `isoflop_shape` (2), `approaches`.
"""
