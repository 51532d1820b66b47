"""Programs that an earlier process compiled: found again, and never trusted where others can write."""

import json
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import compilations
from jax.experimental.compilation_cache import compilation_cache

from jaxscale._base import store
from jaxscale._base.devices import compile_options
from jaxscale._base.programs import Program

NUMBERS = np.arange(5.0)


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """The folder in use, and how often something was compiled for it. JAX's own cache is put aside: what it has loaded
    cannot be written again."""
    monkeypatch.setattr(store, "folder", lambda: tmp_path / "programs")
    theirs = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", None)
    compilation_cache.reset_cache()
    written = []
    real = store.serialize
    monkeypatch.setattr(store, "serialize", lambda executable: (written.append(1), real(executable))[1])
    yield tmp_path / "programs", written
    jax.config.update("jax_compilation_cache_dir", theirs)
    compilation_cache.reset_cache()


def doubled(x):
    return 2 * x + 1


def test_a_program_is_compiled_once_and_then_found(kept):
    folder, written = kept
    for _ in range(3):
        np.testing.assert_array_equal(Program(doubled)(NUMBERS), doubled(NUMBERS))
    assert len(written) == 1 and len(list(folder.iterdir())) == 1
    assert os.name != "posix" or folder.stat().st_mode & 0o077 == 0


def test_shapes_precisions_and_numbers_inside_are_told_apart(kept):
    """A constant of a program is part of its name to the last of its digits."""
    _, written = kept
    for wide in (False, True):
        with jax.enable_x64(wide):
            assert Program(doubled)(NUMBERS[:3]).dtype == (np.float64 if wide else np.float32)
    assert len(written) == 2
    table = np.linspace(0.0, 1.0, 10_000, dtype=np.float32)
    other = table.copy()
    other[5_000] += 1e-6
    for inside in (table, other):
        np.testing.assert_array_equal(
            Program(lambda x, inside=inside: x + inside)(np.zeros(10_000, np.float32)), inside
        )
    assert len(written) == 4


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-9], lambda b: b"", lambda b: b[:50] + b"x" + b[51:], lambda b: b"\0" * 99]
)
def test_a_damaged_entry_is_compiled_again(kept, damage):
    folder, written = kept
    Program(doubled)(NUMBERS)
    (entry,) = folder.iterdir()
    entry.write_bytes(damage(entry.read_bytes()))
    np.testing.assert_array_equal(Program(doubled)(NUMBERS), doubled(NUMBERS))
    assert len(written) == 2


def test_whoever_writes_the_same_entry_at_once_an_entry_is_always_whole(tmp_path):
    entry = tmp_path / "programs" / "entry"
    payloads = [bytes([k]) * size for k, size in enumerate((10, 300_000, 1_000_000, 2_000_000))]
    store._write(entry, payloads[0])

    def turn(payload: bytes) -> list[bytes | None]:
        read = []
        for _ in range(20):
            store._write(entry, payload)
            read.append(store._read(entry))
        return read

    with ThreadPoolExecutor(len(payloads)) as pool:
        read = [content for turns in pool.map(turn, payloads) for content in turns]
    assert len(read) == 20 * len(payloads) and set(read) <= set(payloads)
    assert [path.name for path in entry.parent.iterdir()] == ["entry"]


def test_what_cannot_be_run_after_all_is_compiled(kept, monkeypatch):
    def broken(*_):
        raise jax.errors.JaxRuntimeError("NOT_FOUND: a kernel")

    Program(doubled)(NUMBERS)
    monkeypatch.setattr(store, "deserialize_and_load", lambda *_: broken)
    np.testing.assert_array_equal(Program(doubled)(NUMBERS), doubled(NUMBERS))


def test_what_cannot_be_marked_as_used_is_found(kept, monkeypatch):
    def refused(*_):
        raise PermissionError("read-only")

    _, written = kept
    Program(doubled)(NUMBERS)
    monkeypatch.setattr(os, "utime", refused)
    np.testing.assert_array_equal(Program(doubled)(NUMBERS), doubled(NUMBERS))
    assert len(written) == 1


class Planted:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.mark.skipif(os.name != "posix", reason="rights of files are those of POSIX")
@pytest.mark.parametrize("opened", ["folder", "entry", "swapped", "link", None])
def test_what_others_can_write_is_never_loaded(kept, tmp_path, opened, monkeypatch):
    """With nothing opened the planted entry runs, so that the test would see it."""
    folder, _ = kept
    Program(doubled)(NUMBERS)
    (entry,) = folder.iterdir()
    payload = pickle.dumps(Planted(tmp_path / "mark"))
    entry.write_bytes(store._DIGEST(payload).digest() + payload)
    if opened == "link":
        elsewhere = entry.rename(tmp_path / "elsewhere")
        entry.symlink_to(elsewhere)
    elif opened == "swapped":  # after it was looked at
        before = entry.lstat()
        entry.chmod(0o777)
        monkeypatch.setattr(type(entry), "lstat", lambda _: before)
    elif opened:
        (folder if opened == "folder" else entry).chmod(0o777)
    np.testing.assert_array_equal(Program(doubled)(NUMBERS), doubled(NUMBERS))
    assert (tmp_path / "mark").exists() == (opened is None)


def test_what_was_not_used_for_longest_goes_first(kept, monkeypatch):
    folder, _ = kept
    for count in (1, 2, 3):
        Program(doubled)(NUMBERS[:count])
        for age, entry in enumerate(sorted(folder.iterdir(), key=lambda x: x.stat().st_mtime)):
            os.utime(entry, (age, age))
    size = max(entry.stat().st_size for entry in folder.iterdir())
    newest = max(folder.iterdir(), key=lambda x: x.stat().st_mtime)
    monkeypatch.setattr(store, "MOST_BYTES", int(2.5 * size))
    Program(doubled)(NUMBERS[:4])
    assert len(list(folder.iterdir())) == 2 and newest.exists()


@pytest.mark.parametrize("where", ["kept", "off", "several devices"])
def test_a_barrier_in_a_loop_too_small_for_one_is_left_out(kept, monkeypatch, where):
    if where == "off":
        monkeypatch.setattr(store, "folder", lambda: None)

    def small(x):
        return jax.lax.fori_loop(0, 3, lambda _, a: jax.lax.optimization_barrier(jnp.sin(a)), x)

    def large(x):
        return small(jnp.broadcast_to(x, (5000,)))[:1]

    x = np.full(1, 0.5, np.float32)
    for run in (small, large):
        program = Program(run, compile_options(), stored=where != "several devices")
        np.testing.assert_allclose(program(x), np.sin(np.sin(np.sin(x))), rtol=1e-6)
        np.testing.assert_array_equal(program(x), program(x))


def test_no_folder_and_no_room_are_no_failure(kept, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(store, "folder", lambda: tmp_path / "file" / "programs")
    np.testing.assert_array_equal(Program(doubled)(NUMBERS), doubled(NUMBERS))


@pytest.mark.parametrize("word", ["off", "0", " OFF "])
def test_it_can_be_switched_off(word, monkeypatch):
    monkeypatch.setenv("JAXSCALE_CACHE", word)
    assert store.folder() is None


@pytest.mark.parametrize("theirs", [None, "of JAX"])
def test_a_folder_that_is_named_is_used_also_where_jax_has_a_cache(theirs, kept, monkeypatch, tmp_path):
    monkeypatch.undo()
    monkeypatch.setenv("JAXSCALE_CACHE", str(tmp_path))
    jax.config.update("jax_compilation_cache_dir", theirs)
    assert store.folder() == tmp_path
    monkeypatch.delenv("JAXSCALE_CACHE")
    assert (store.folder() is None) == (theirs is not None)


def test_what_the_cache_of_jax_gave_is_not_written_again(kept, monkeypatch, tmp_path):
    """It would be found here, and lack its kernels when it is run."""
    folder, written = kept
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "of JAX"))
    matrix = np.eye(3)
    for k in range(3):
        program = Program(lambda x: jnp.linalg.eigh(x + 0.125)[0] ** 2)
        np.testing.assert_allclose(program(matrix), [1.0, 1.0, 1.890625], rtol=1e-6)
        assert len(written) == 1
        if k == 0:
            for entry in folder.iterdir():
                entry.unlink()
            jax.clear_caches()
    assert not list(folder.iterdir())


def test_a_program_that_is_found_is_counted_like_one_that_is_compiled(kept):
    Program(doubled)(NUMBERS)
    before = compilations()
    Program(doubled)(NUMBERS)
    assert compilations() == before + 1


SECOND_ANSWER = """
import json, jax
compiled = []
jax.monitoring.register_event_duration_secs_listener(lambda event, *_, **__: compiled.append(event))
import jaxscale as js
result = js.fit(js.laws.chinchilla, js.synthetic.demo_runs(), intervals="quick")
plan = js.frontier(result, [1e22])
print(json.dumps([sum("backend_compile" in e for e in compiled), result.to_dict(), plan.to_dict()]))
"""


@pytest.mark.slow
def test_a_second_process_compiles_nothing_and_answers_the_same(tmp_path):
    unset = ("JAX_COMPILATION_CACHE_DIR", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS")
    environment = {k: v for k, v in os.environ.items() if k not in unset} | {"JAXSCALE_CACHE": str(tmp_path / "kept")}
    first, second = (
        json.loads(subprocess.run([sys.executable, "-c", SECOND_ANSWER], env=environment, check=True, text=True,
                                  stdout=subprocess.PIPE).stdout)
        for _ in range(2)
    )  # fmt: skip
    assert first[0] > 3 and second[0] == 0
    for a, b in zip(first[1:], second[1:], strict=True):
        assert json.dumps(a) == json.dumps(b)
