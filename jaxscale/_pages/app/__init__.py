"""The page that `jaxscale app` serves: drop a table, correct its columns, fit, see the verdict, move sliders.

Read `serve` (the verb: a server on this machine, warmed by `warming`), `routes` (which address does what), `guard` (who
may ask), `browsers` (what is held for each, for how long), `uploads` (a table comes in, and what its columns seem to
be), `asked_reading` (how it is asked to be read), `fit_job` (a fit that tells how far it is and can be stopped),
`table_fit` (what sliders then start from), `asked_plan` (a state of the sliders, and the plan that answers it),
`slider_model` (which sliders there are), `app_page` (as HTML), `take_away` (files to download).

The page is made of the parts of a report (`_pages`) and its JavaScript is in the same folder; every number comes from
the public functions. Nothing is written to disk, and nothing is asked of another machine.
"""
