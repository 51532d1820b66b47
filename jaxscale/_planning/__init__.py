"""Plans that people read.

Records: `plan_row` (the numbers of one budget), `plan` (all of them, with the columns of its tables; `plan_notes` is
what it says below), `sensitivity` (what a plan answers, to print). How they are made: `source` (a law with parameters,
and how sure they are), `request`, `posed` (a request as numbers), `uncertainty` (intervals and regrets),
`shadow_prices`, `doubt` (draws and laws that may be true, `rival_laws` tried on the runs), `under_doubt` (decisions
that hedge), `made_row`, `make_plan`, `frontier` (the verb). The plan made again: `changes`, `foretold`, `what_if`,
`moved_plans` (many at once), `plan_points` (many, without rows), `tornado`, `other_sizes`; `known_models`. A plan needs
a law, parameters, and perhaps draws or a covariance: never anything of `_problem` to `_fitting`. From a plan to exact
shapes, batches and days: `recipes/`, which nothing here needs.
"""
