"""What is minimised: law, runs and objective as padded arrays, with their value and slopes.

Read `objectives` (what users choose), `losses` (a run's misfit as data), `arrays`, `problem` (one table), `stack`
(many), `evaluate` (value, gradient, curvature), `slopes`, `units`. Knows no solver.
"""
