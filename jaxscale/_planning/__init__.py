"""Plans that people read.

Read `plan_row` and `plan` (the records), `frontier` (how they are made), `uncertainty`, `prices`, `sensitivity`;
`what_if`, `changes`, `foretold`, `tornado`; `known_models`. A plan needs a law, parameters, and perhaps draws or a
covariance: never anything of `_problem` to `_fitting`.
"""
