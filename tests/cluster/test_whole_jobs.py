"""Jobs as people run them: the SLURM script, killed shards, Dask workers that die, processes of one program."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from helpers import ROOT

import jaxscale as js
from jaxscale._fitting import dask_workers

SCRIPT = ROOT / "docs" / "fit.slurm"


def environment(**more):
    path = os.pathsep.join((os.path.dirname(sys.executable), os.environ["PATH"]))
    return os.environ | {"PYTHONPATH": str(ROOT), "PATH": path} | more


def test_the_slurm_script_is_sound_bash():
    assert subprocess.run(["bash", "-n", SCRIPT], capture_output=True, text=True).stderr == ""


@pytest.mark.slow
def test_the_slurm_script_fits_and_the_last_task_merges(bad, tmp_path):
    """With the two variables set by hand; sets that cannot be fitted, so that nothing is compiled."""
    bad.to_parquet(tmp_path / "runs.parquet")
    said = [
        subprocess.run(
            ["bash", SCRIPT, "runs.parquet", "corpus", "fits/"],
            cwd=tmp_path,
            env=environment(SLURM_ARRAY_TASK_ID=str(task), SLURM_ARRAY_TASK_COUNT="2"),
            capture_output=True,
            text=True,
        )
        for task in (2, 1)
    ]
    assert [task.returncode for task in said] == [0, 0], said[0].stderr + said[1].stderr
    assert "not merged yet" in said[0].stdout and "1 part of 2 not there: 1/2" in said[0].stderr
    assert "not merged yet" not in said[1].stdout and len(js.read_fits(tmp_path / "fits.parquet")) == 36


CALL = """
import sys, jaxscale as js
source, out, shard = sys.argv[1:]
js.fit_shards("chinchilla", source, by="corpus", intervals="quick", starts=8, records=True, out=out, shard=shard,
              progress=lambda *told: print(flush=True))
"""


@pytest.mark.slow
def test_a_killed_shard_is_made_by_the_same_call_with_the_same_bytes(job, source, tmp_path):
    words = [sys.executable, "-c", CALL, str(source), str(tmp_path), "2/3"]
    with subprocess.Popen(words, env=environment(), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()  # the first block is done
        process.send_signal(signal.SIGKILL)
    assert not [*tmp_path.glob("part-*.json")]
    subprocess.run(words, env=environment(), check=True, stdout=subprocess.DEVNULL)
    assert (tmp_path / "part-00002-of-00003.parquet").read_bytes() == (job / "part-00002-of-00003.parquet").read_bytes()


@pytest.mark.slow
def test_dask_workers_that_die_change_no_byte(job, source, options, tmp_path, monkeypatch):
    """One of two workers is killed, and then the one that has its tasks."""
    monkeypatch.setattr(dask_workers, "blocks_in_task", lambda workers: 1)
    with dask_workers.dask_client("local:2") as client:
        killed = []

        def kill(done, total, what):
            if len(killed) < 2:
                killed.append(next(iter(client.run(os.getpid).values())))
                os.kill(killed[-1], signal.SIGKILL)
                time.sleep(0.2)

        js.fit_shards(
            "chinchilla", source, out=tmp_path / "fits", records=True, client=client, progress=kill, **options
        )
        assert len(set(killed)) == 2
        streams = client.cluster.scheduler.stream_comms.values()
        assert max(len(stream.recent_message_log) for stream in streams) <= 10  # they hold the tables of their tasks
    merged = []
    for folder in (job, tmp_path / "fits"):
        js.merge_shards(folder, tmp_path / f"{folder.parent.name}.parquet")
        merged.append((tmp_path / f"{folder.parent.name}.parquet").read_bytes())
    assert merged[0] == merged[1]


SPMD = """
import json, sys, jax, jaxscale as js
address, process, source, out, options = sys.argv[1:]
jax.distributed.initialize(address, num_processes=2, process_id=int(process))
assert jax.process_count() == 2 and len(jax.local_devices()) == 4
shard = jax.process_index() + 1, jax.process_count()
js.fit_shards("chinchilla", source, out=out, shard=shard, records=True, **json.loads(options))
"""


@pytest.mark.slow
def test_one_program_of_two_processes_has_the_bytes_of_any_other(job, source, options, tmp_path):
    """As docs/cluster.md has it: two processes with four CPU devices each."""
    port = 20_000 + os.getpid() % 20_000
    more = {"XLA_FLAGS": "--xla_force_host_platform_device_count=4", "JAX_PLATFORMS": "cpu"}
    words = [str(source), str(tmp_path / "fits"), json.dumps(options)]
    processes = [
        subprocess.Popen([sys.executable, "-c", SPMD, f"localhost:{port}", str(k), *words], env=environment(**more))
        for k in range(2)
    ]
    assert [process.wait(timeout=200) for process in processes] == [0, 0]
    merged = []
    for folder in (job, tmp_path / "fits"):
        js.merge_shards(folder, tmp_path / "fits.parquet")
        merged.append((tmp_path / "fits.parquet").read_bytes())
    assert merged[0] == merged[1]
