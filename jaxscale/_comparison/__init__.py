"""Which law predicts held-out runs best.

Read `comparison` (the record), `compare`, `recommend`. Never a plan, never an approach.
"""
