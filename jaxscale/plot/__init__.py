"""Pictures of records, for papers, slides and notebooks: `js.plot.residuals(result)`, or `result.plot("residuals")`.

Each function takes a record, draws with matplotlib (`pip install 'jaxscale[plot]'`) on the axes given as `ax=`, or else
on a figure of its own, and returns it; nothing is shown, and no setting of matplotlib changes. A figure of its own is a
`Picture`: a notebook shows it once, `.savefig("file.pdf")` writes it, `.alt` says in words what it shows, and `.chart`
holds its numbers.
"""

from jaxscale.plot._pictures import frontier as frontier
from jaxscale.plot._pictures import observed as observed
from jaxscale.plot._pictures import residuals as residuals
from jaxscale.plot._pictures import starts as starts
