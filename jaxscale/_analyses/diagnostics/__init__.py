"""Questions to a finished fit or plan.

`quantity` says what may be asked about; `profile`, `ratio_test`, `influence`, `multiverse`, `run_sensitivity`, `bias`
ask.
"""
