"""Options of a fit that cannot be used."""

import numpy as np
import pytest
from helpers import LAW, TRUTH

import jaxscale as js

REFUSED = {
    "an unknown law": (("chincilla",), {}, "chinchilla"),
    "a missing variable": (("kaplan_ns",), {}, "S_min"),
    "an unknown fixed parameter": ((LAW,), {"fixed": {"gamma": 1.0}}, "no parameter 'gamma'"),
    "a fixed value out of range": ((LAW,), {"fixed": {"A": -1.0}}, "A must be positive"),
    "everything fixed": ((LAW,), {"fixed": TRUTH}, "nothing to fit"),
    "a tie of one": ((LAW,), {"tied": [("alpha",)]}, "two or more"),
    "a tie across scales": ((LAW,), {"tied": [("A", "alpha")]}, "cannot be tied"),
    "a tie of a fixed parameter": (
        (LAW,),
        {"tied": [("alpha", "beta")], "fixed": {"alpha": 0.3}},
        "both fixed and tied",
    ),
    "bounds without room": ((LAW,), {"bounds": {"alpha": (0.5, 0.4)}}, "leave no room"),
    "a level in percent": ((LAW,), {"level": 90}, "between 0 and 1"),
    "too few draws": ((LAW,), {"draws": 5}, "at least 20"),
    "unknown intervals": ((LAW,), {"intervals": "wild"}, "intervals must be"),
    "too many weights": ((LAW,), {"weights": np.ones(7)}, "weights"),
    "negative weights": ((LAW,), {"weights": -np.ones(60)}, "weights"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_option_that_cannot_be_used_is_refused(name, frame):
    law, options, message = REFUSED[name]
    with pytest.raises(js.InputError, match=message):
        js.fit(*law, js.Runs.from_frame(frame), **options)
