"""`python -m jaxscale` is `jaxscale`."""

import sys

from jaxscale._cli import main

sys.exit(main())
