"""Past one machine: sets of runs fitted by the tasks of a job array or by the workers of a cluster, the same bytes
either way.

`numbered_sets` are made of whatever is given: `sets_in_memory`, `sets_in_parquet`, `sets_in_csv` and `sets_on_disk` are
read in bounded memory. `shards` says which part is whose, `job` what all parts have in common, `rows` what a file holds
of a fit, `parts` the files of a shard and whether they are whole, `begun` which block a dead process was at. Verbs:
`fit_shards` writes a part, `merge_shards` makes one file of all, `fits_table` asks it questions. How a block is fitted,
here or on a worker, is known to `_fitting` alone.
"""
