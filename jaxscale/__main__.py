"""`python -m jaxscale` is `jaxscale`."""

import sys

from jaxscale._cli.app import main

sys.exit(main())
