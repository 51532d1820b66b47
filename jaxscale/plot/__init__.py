"""Pictures of records, for papers, slides and notebooks: `js.plot.residuals(result)`, or `result.plot("residuals")`.

Each function takes a record, draws with matplotlib (`pip install 'jaxscale[plot]'`) on the axes given as `ax=`, or else
on a figure of its own, and returns it; nothing is shown, and no setting of matplotlib changes. A figure of its own is a
`Picture`: a notebook shows it once, `.savefig("file.pdf")` writes it, `.alt` says in words what it shows, and `.chart`
holds its numbers. What a picture shows is worked out in `_charts/`, as arrays and words, for this and for the pages.
"""

from jaxscale.plot._pictures import approaches as approaches
from jaxscale.plot._pictures import backtest as backtest
from jaxscale.plot._pictures import bias as bias
from jaxscale.plot._pictures import chain as chain
from jaxscale.plot._pictures import contours as contours
from jaxscale.plot._pictures import coverage as coverage
from jaxscale.plot._pictures import envelope as envelope
from jaxscale.plot._pictures import extrapolation as extrapolation
from jaxscale.plot._pictures import forecast as forecast
from jaxscale.plot._pictures import frontier as frontier
from jaxscale.plot._pictures import held_out as held_out
from jaxscale.plot._pictures import influence as influence
from jaxscale.plot._pictures import isoflops as isoflops
from jaxscale.plot._pictures import multiplier as multiplier
from jaxscale.plot._pictures import multiverse as multiverse
from jaxscale.plot._pictures import next_runs as next_runs
from jaxscale.plot._pictures import observed as observed
from jaxscale.plot._pictures import overview as overview
from jaxscale.plot._pictures import pairs as pairs
from jaxscale.plot._pictures import price_of_size as price_of_size
from jaxscale.plot._pictures import profile as profile
from jaxscale.plot._pictures import recipe as recipe
from jaxscale.plot._pictures import residuals as residuals
from jaxscale.plot._pictures import score as score
from jaxscale.plot._pictures import skills as skills
from jaxscale.plot._pictures import starts as starts
from jaxscale.plot._pictures import tornado as tornado
from jaxscale.plot._pictures import valley as valley
from jaxscale.plot._pictures import watch as watch
from jaxscale.plot._pictures import what_if as what_if
