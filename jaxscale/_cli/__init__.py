"""The command line: one command calls one public function.

Read `app` (what commands there are), `fit_commands`, `question_commands` (to a finished fit), `approach_commands`,
`plan_commands`, `recipe_commands`, `page_command`, `decision_commands`, `catalogue_commands`, `cluster_commands` (past
one machine), `flags` (options that they share), `groups` (those that come together), `arguments` (words into values),
`fit_argument` (what FIT names), `printing` (records into text and files), `process`.
"""
