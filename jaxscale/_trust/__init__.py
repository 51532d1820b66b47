"""How sure an optimum is, and whether to believe it.

Read `dispersion` (the scatter of runs), `linearization` (runs row by row), `identification`, `covariance`, `optimum`
(what follows from one, worked out once), `interval_method` (which, and why), `intervals`, `profile_curves`,
`resampling`, `matched` (estimates matched to the noise), `residuals`, `evidence`, `judge` (and a file of checks for the
optimum, the design, the parameters, the residuals), `fitted_table` (all of it together). Knows no result.
"""
