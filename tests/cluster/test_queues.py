"""What docs/cluster.md asks of dask-jobqueue and of the operator for Kubernetes, as far as it goes without either."""

import ast

import pytest
from helpers import ROOT


def asked(name: str) -> dict:
    """The arguments of the one call of that name in the page's blocks of Python."""
    blocks = (ROOT / "docs" / "cluster.md").read_text().split("```python")[1:]
    calls = [
        node for block in blocks for node in ast.walk(ast.parse(block.split("```")[0])) if isinstance(node, ast.Call)
    ]
    (call,) = (call for call in calls if ast.unparse(call.func) == name)
    return {argument.arg: ast.literal_eval(argument.value) for argument in call.keywords}


def test_slurm_starts_a_worker_of_one_thread_that_knows_its_cores():
    queues = pytest.importorskip("dask_jobqueue", reason="dask-jobqueue is not installed")
    with queues.SLURMCluster(**asked("SLURMCluster")) as cluster:
        lines = cluster.job_script().splitlines()
    assert "#SBATCH --cpus-per-task=1" in lines and "#SBATCH --mem=4G" in lines and "#SBATCH -t 02:00:00" in lines
    (exported,) = (k for k, line in enumerate(lines) if line == "export NPROC=1 OMP_NUM_THREADS=1 JAX_PLATFORMS=cpu")
    assert "--nthreads 1" in lines[exported + 1] and "dask_worker" in lines[exported + 1]


def test_kubernetes_starts_a_hundred_workers_of_one_thread_that_know_their_cores():
    operator = pytest.importorskip("dask_kubernetes.operator", reason="dask-kubernetes is not installed")
    workers = operator.make_cluster_spec(**asked("KubeCluster"))["spec"]["worker"]
    (container,) = workers["spec"]["containers"]
    given = {entry["name"]: entry["value"] for entry in container["env"]}
    assert workers["replicas"] == 100 and container["args"][:4] == ["dask", "worker", "--nthreads", "1"]
    assert (given["NPROC"], given["OMP_NUM_THREADS"], given["JAX_PLATFORMS"]) == ("1", "1", "cpu")
    assert container["resources"]["limits"] == {"cpu": "1", "memory": "4Gi"}
