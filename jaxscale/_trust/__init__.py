"""How sure an optimum is, and whether to believe it.

Read `slopes_beside` (slopes of many tables as arrays), `linearization` (runs at the optimum, row by row),
`identification` (how well they tell the parameters apart, and from where on that is called weak), `optimum`,
`dispersion`, `bread` (of the sandwich), `covariance`, `percentiles` (of draws), `interval_method` (which, and why),
`intervals`, `constrained_optima`, `profile_curves`, `draw_weights` (what each draw weighs its runs by), `bent_law`
(where the optima of draws lie but for little), `resampling` (the refits),
`matched` (estimates matched to the noise), `drift` (losses that drift with scale). What speaks against a law:
`robust_fits` (of the law's slopes), `questions` (those of many tables at once), `tables_beside` (many tables as
arrays), `neighbours`, `residuals`, `left_out`, `lack_of_fit`, `two_levels`, `foretelling`. The verdict: `evidence`
(what it looks at), `plan_beyond` (a plan made of it), `next_step`, `judge`, and its checks `judge_optimum`,
`judge_design`, `judge_parameters`, `judge_influence`, `judge_residuals`, `judge_fit`, `judge_groups`,
`judge_checkpoints`, `judge_units`; `fitted_table` holds all of it for one table. Knows no result.
"""
