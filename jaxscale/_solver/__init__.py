"""How the lowest optimum is found from many starts.

Read `solve` (a queue of starts in one compiled loop), `solve_stack`, `starts`, `projection` (what a law is linear in),
`valley` (starts of laws of many parameters), `search` (when to stop looking), `outcome`. `trust_region` and `damped`
are the slow and the NumPy way. Knows no verdict.
"""
