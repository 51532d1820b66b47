"""Decisions that stand on finished fits: which of two recipes is better, which runs to do next, what to foretell.

Recipes: read `frontier_curve` (the best response over compute, as arrays), `joint_errors` (how the errors of two fits
go together), `multiplier` (the record) and `equal_loss` (the verb). Runs: `offered_runs` (what could be done),
`information` (what each run would tell; chooses, in arrays), `chosen_runs` (the record) and `next_runs` (the verb).
Then `forecast` and `score`, and of runs under way `rates` (their schedules), `aligned` (by progress beside finished
runs), `across_schedules` (beside those of other schedules), `watched` (the record) and `watch` (the verb).
"""
