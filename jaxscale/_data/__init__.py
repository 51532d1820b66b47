"""A table becomes checked `Runs`, with a record of how.

Read `tables` (any file becomes a frame), `columns` (which column means what), `cells` (numbers, and what is wrong
with them), `filters`, `notes` (what looks odd), `runs`. Knows no law.
"""
