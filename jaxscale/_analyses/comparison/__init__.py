"""Which law predicts held-out runs best.

Read `comparison` (the record), `holdouts`, `trials`, `best_sizes`, `compare`, `recommend`, `stacking` (weights);
`skills` of families of public models, by way of `score_fits`.
Never a plan, never an approach.
"""
