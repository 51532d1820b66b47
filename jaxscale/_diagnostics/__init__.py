"""Questions to a finished fit or plan.

`quantity` says what may be asked about; `profile`, `influence`, `multiverse` and `run_sensitivity` ask.
"""
