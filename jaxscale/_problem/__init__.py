"""What is minimised: law, runs and objective as padded arrays, with their value and slopes.

Read `objectives`, `arrays`, `problem` (one table), `stack` (many), `slopes`, `units`. Knows no solver.
"""
