"""The best decision within limits, certified and differentiable.

Read `decision` (what is chosen and what binds it), `decide` (how that is put together), `constrained` (the solver) with
its parts `local_model`, `interior_point`, `active_rows` and `lane_algebra`, then `root` and `allocate` (one budget, in
pure JAX), `batches`, `two_programs` and `answers` (many), `placing`, `scan` and `corners` (all that limits leave, for
laws of several valleys or with kinks), `undefined` (where a law gives no number), `per_draw`, `derivatives`, `hedge`
(one decision for many draws and laws), `hedged_valleys` (the same of laws with valleys). Knows no fit and no plan.
"""
