"""One fit of all groups, which share parameters wholly or in part.

Read `sharing` for what is asked, `arrowhead` for the Hessian that makes it cheap, `joint_search`, `joint_optimum`.
"""
