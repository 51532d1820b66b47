"""Plans that people read.

Read `plan` (the record), `frontier` (how it is made), `sensitivity`, `what_if`, `known_models`. A plan needs a law,
parameters, and perhaps draws or a covariance: never anything of `_problem` to `_fitting`.
"""
