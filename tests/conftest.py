"""What every test shares: warm compilations, and the folder of the real data sets."""

import gc
import os
import sys
from importlib.metadata import version
from pathlib import Path

import hypothesis
import pytest


def _cache_folder() -> Path:
    """The folder for this user's caches on this platform."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


# JAX reads these when it is imported; unlike jax.config, they also reach the processes that tests start.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_cache_folder() / "jaxscale" / "xla"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
# Programs of jaxscale's own are found there without being traced; their names hold the whole source of the package.
os.environ.setdefault("JAXSCALE_CACHE", str(Path(os.environ["JAX_COMPILATION_CACHE_DIR"]) / "programs"))
# Most of the time of these tests is compilation. Without unrolled loops and tuned for size it takes a third less, in
# one piece a tenth less (and half the areas of memory), and programs give the same bytes; kernels are made the plain
# way where the package makes them so, see `compile_options`.
_XLA_FLAGS = [
    "--xla_backend_extra_options=xla_cpu_disable_loop_unrolling,xla_cpu_optimize_for_size",
    "--xla_cpu_parallel_codegen_split_count=1",
]
if version("jax").startswith("0.10."):
    _XLA_FLAGS.append("--xla_cpu_use_fusion_emitters=false")
os.environ.setdefault("XLA_FLAGS", " ".join(_XLA_FLAGS))

# A worker of pytest for each core is enough: threads of NumPy's matrix products would wait for one another, busily.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

# Tracing makes and drops millions of small objects: looked through after 20,000 new ones in place of 700, garbage is
# found as well, and tests take a twentieth less time.
gc.set_threshold(20_000, 10, 10)

# A busy machine is no failure of a test. What CI says of a commit does not change from one run to the next: it takes
# the same examples each time, and everybody else's runs look for new ones.
hypothesis.settings.register_profile(
    "jaxscale", hypothesis.settings.default, deadline=None, derandomize="CI" in os.environ
)
hypothesis.settings.load_profile("jaxscale")

_DATA = os.environ.get("JAXSCALE_DATA")
if _DATA:
    os.environ["JAXSCALE_DATA"] = str(Path(_DATA).resolve())  # some tests work in another folder


def pytest_configure(config: pytest.Config) -> None:
    if _DATA and not Path(_DATA).is_dir():
        raise pytest.UsageError(f"JAXSCALE_DATA names {_DATA!r}, which is not a folder")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("data"):
            item.user_properties.append(("data", True))
            if not _DATA:
                item.add_marker(pytest.mark.skip(reason="JAXSCALE_DATA names no folder with the real data sets"))


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of the real data sets; for tests marked `data`, which are skipped where there is none."""
    assert _DATA, "a test that reads the real data sets needs @pytest.mark.data"
    return Path(os.environ["JAXSCALE_DATA"])


@pytest.fixture
def jaxscale(capsys):
    """Runs a command in this process: exit status, standard output, standard error."""
    from jaxscale._cli import app

    def command(*arguments: str) -> tuple[int, str, str]:
        status = app.run(arguments)
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return status, out, err

    return command


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    def count(*outcomes: str) -> int:
        reports = (report for outcome in outcomes for report in terminalreporter.getreports(outcome))
        return sum(("data", True) in getattr(report, "user_properties", ()) for report in reports)

    ran, failed, skipped = count("passed", "failed"), count("failed", "error"), count("skipped")
    terminalreporter.write_line(f"data tests: {ran} ran, {failed} failed, {skipped} skipped")
