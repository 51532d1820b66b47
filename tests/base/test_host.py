"""The host, for what is small or needs float64; and what is said where it is hidden."""

from types import SimpleNamespace

import jax
import pytest

import jaxscale as js
from jaxscale._base import devices


def hidden(kind):
    def local_devices(backend=None):
        if backend == "cpu":
            raise RuntimeError("Unknown backend cpu")
        return [SimpleNamespace(platform=kind)]

    return local_devices


def test_the_host_is_the_cpu():
    assert {d.platform for d in devices.host()} == {"cpu"}


def test_a_device_with_float64_does_the_work_of_a_hidden_host(monkeypatch):
    monkeypatch.setattr(jax, "local_devices", hidden("gpu"))
    assert [d.platform for d in devices.host()] == ["gpu"]


def test_a_device_without_float64_needs_the_host(monkeypatch):
    monkeypatch.setattr(jax, "local_devices", hidden("tpu"))
    with pytest.raises(js.InputError, match="set JAX_PLATFORMS=tpu,cpu"):
        devices.host()
