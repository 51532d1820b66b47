"""What a picture shows, as arrays and words: records become charts. Nothing here draws, so that matplotlib (`plot`) and
a page in a browser show the same numbers.

Read `chart` (axes, marks, panels), `axis_words` (how a variable, a response or a name of a table is called on an axis),
`ticks` (where they stand and what they say), then one file for each kind of record: `fit_charts`, `plan_charts`,
`decision_charts` (fits and plans together), `approach_charts`, `question_charts`, `bias_chart`, `next_runs_chart`,
`comparison_charts`, `backtest_chart`, `chain_chart`, `valley_chart`, `multiplier_chart`, `recipe_chart`,
`forecast_charts`, `skills_chart`, `watch_chart`.
"""
