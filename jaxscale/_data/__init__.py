"""A table becomes checked `Runs`, with a record of how.

Read `tables` (any file becomes a frame: `encodings`, `separators`, `headers`, `json_tables`, `workbooks`, and `wide`
ones become long), `columns` (which column means what: `candidates`, by their `names`, in `other_scripts` too, the
`unit_words` in them, and their cells), `derived` (columns computed by the `formulas` of a caller, also of the sizes
in `model_names`), `cells` (numbers, and what is wrong with them), `loss_units`, `header_units` (units that headers
give to them), `quantities` (units and errors in cells), `decimals` (commas and points), `filters`, `notes` (what
looks odd), `group_columns`, `standard_errors` (those of losses), `checkpoints` (rows of one run), `ended_runs` (one
row for each run of a tracker: `run_states`, `resumed_runs`), `summary_rows` (totals and means below the runs),
`sweeps` (the best setting of each), `reading` (all of these in their order), `runs`, `runs_file` (the record, and
runs in a file). `wording` spells options for messages, `suggestions` says which to give where nothing is recognised.
`trackers/` makes tables of what trackers keep. Knows no law.
"""
