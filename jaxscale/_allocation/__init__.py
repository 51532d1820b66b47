"""The best decision within limits, certified and differentiable.

Read `decision` (what is chosen and what binds it), `decide` (how that is put together), `constrained` (the solver) with
its parts `local_model`, `interior_point`, `active_rows` and `lane_algebra`, then `allocate` (one budget, pure JAX),
`batches` and `answers` (many), `scan` (of a budget, for laws of several valleys), `per_draw`, `derivatives`, `hedge`
(one decision for many draws and laws). Knows no fit and no plan.
"""
