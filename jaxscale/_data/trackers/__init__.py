"""Runs that a tracker keeps become a data frame: a row for each run (config, last values, state) or each evaluation.

Read `addresses` (`wandb:ENTITY/PROJECT` and the like: which tracker is meant), then `run_rows` (what every tracker's
runs become), then one file for each: `wandb_runs`, `mlflow_runs`, `tensorboard_runs`, `trackio_runs`, and `hub_files`
for tables on the Hugging Face Hub. Each imports its package where it is used. Knows no column and no `Runs`.
"""
