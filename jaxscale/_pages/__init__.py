"""The report of a fit: one HTML file that needs nothing else, or the same as Markdown or JSON.

Read `write_report` (the verb), `content` (what is said, once for all three forms), `page`, its `sections` and `markup`
(as HTML, every word escaped); `page_charts` (which pictures), `drawn` and `drawn_marks` (the same as SVG, for where no
script runs), `reproduction` (lines that make it again), `saved_plans` (plans and comparisons from files). The sliders:
`sliders` puts together what the page computes with, `powers` tells laws that the page can plan with exactly, `spending`
costs and limits in its terms, `plan_grid` plans of other laws to go between.

`web/` is the page's own JavaScript and style, without any library: `engine.js` maps a state of the sliders to an
answer, and `server.js` takes its place on the page that `jaxscale app` serves (`app/`), which begins with `app.js`
where the report begins with `start.js`; `quick.js` answers there before the server does, with `planner.js` and
`asked.js`. It knows nothing of fits or runs.
"""
