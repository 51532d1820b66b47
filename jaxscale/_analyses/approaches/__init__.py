"""Approaches 1, 2 and 3 to compute-optimal training, side by side.

Read `trend` (a power law through optima), `envelope` (1), `budgets`, `lowest_points`, `isoflop_shape`,
`pooled_parabola` and `isoflop` (2), `law_fit` (3), `counting`, `differences` (why they disagree), `side_by_side` (the
record), `approaches`.
"""
