"""The best decision within limits, certified and differentiable.

Read `decision` (what is chosen and what binds it), `constrained` (the solver), `allocate` (one budget, pure JAX),
`batches` and `answers` (many). Knows no fit and no plan.
"""
