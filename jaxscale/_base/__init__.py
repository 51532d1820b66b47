"""What every wing stands on: errors, words, reports, files, devices. No law, no run, no fit.

Read `errors`, `text` (numbers and names in sentences), `measure` (what a response is called and counted in), `report`
(what a record prints), `latex` (its table for a paper), `verdict`, `files` (checked plain JSON, and the names of its
formats), `plain_data` and `answered` (answers by their fields), `pictured` and `reported` (the way to a record's
pictures and report), `validation`, `robust` (scales that bad runs do not move), `triangle` (of symmetric matrices),
`devices` (who shares the work), `settings` (those of JAX that everything is computed under), `programs` (compiled ones,
and how many are kept), `store` (the same on disk, for other processes), `identity` (what tells one program from
another), `progress` (who hears how far work is), `folders`, `pickling` (of records that hold a user's function),
`version`.
"""
