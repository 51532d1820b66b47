"""Decisions that stand on finished fits: which of two recipes is better, what to foretell.

Read `frontier_curve` (the best response over compute, as arrays), `joint_errors` (how the errors of two fits go
together), `multiplier` (the record) and `equal_loss` (the verb); then `forecast` and `score`.
"""
