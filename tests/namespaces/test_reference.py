"""Accelerators: every value has a unit, a source and a flag."""

import pytest

from jaxscale import reference
from jaxscale._base.errors import InputError


def test_every_accelerator_value_has_a_unit_a_source_and_a_flag():
    for name, device in reference.accelerators.items():
        assert reference.accelerator(name) is device
        for quantity in (device.peak, device.memory, device.bandwidth, device.watts, device.mfu, device.price):
            if quantity is not None:
                assert quantity.value > 0
                assert quantity.source
                assert isinstance(quantity.verified, bool)
    assert reference.accelerators["tpu-v6e"].peak.value == 918e12  # a public table says 230: wrong
    with pytest.raises(InputError, match="no accelerator 'abacus'"):
        reference.accelerator("abacus")
