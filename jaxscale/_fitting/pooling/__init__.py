"""One fit of all groups, which share parameters wholly or in part.

Read `arrowhead` for the Hessian that makes it cheap, `joint_search`, `joint_optimum`, `one_value` (whether the runs
speak against it), `sharing` (the record), `fit_together` (all of it, and how far groups may lie apart).
"""
