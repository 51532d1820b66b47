"""Which law predicts held-out runs best.

Read `comparison` (the record), `holdouts`, `trials`, `best_sizes`, `compare`, `recommend`, `stacking` (weights).
Never a plan, never an approach.
"""
