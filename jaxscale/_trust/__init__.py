"""How sure an optimum is, and whether to believe it.

Read `identification`, `intervals` (which method, and its ends), `profile_curves`, `resampling`, `matched`,
`residuals`, `judge`. Knows no result.
"""
