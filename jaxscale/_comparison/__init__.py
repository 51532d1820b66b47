"""Which law predicts held-out runs best.

Read `comparison` (the record), `holdouts`, `trials`, `best_sizes`, `compare`, `recommend`. Never a plan, never an
approach.
"""
