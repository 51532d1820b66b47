"""Which sets are a shard's."""

import pytest

import jaxscale as js
from jaxscale._cluster.shards import Shard, shard_of
from jaxscale._fitting.blocks import SETS_IN_BLOCK


@pytest.mark.parametrize("total", [0, 1, 15, 16, 17, 1000, 123_457])
@pytest.mark.parametrize("count", [1, 2, 7, 100])
def test_every_set_is_in_one_shard_and_shards_are_even(total, count):
    shares = [Shard(k, count).sets(total) for k in range(1, count + 1)]
    assert [k for share in shares for k in share] == list(range(total))
    assert all(share.start % SETS_IN_BLOCK == 0 or not len(share) for share in shares)
    assert max(map(len, shares)) - min(map(len, shares[:-1] or shares)) <= SETS_IN_BLOCK


SLURM = {
    "from 0": ({"ID": "0", "COUNT": "7", "MIN": "0"}, (1, 7)),
    "from 1": ({"ID": "7", "COUNT": "7", "MIN": "1"}, (7, 7)),
    "in steps": ({"ID": "30", "COUNT": "7", "MIN": "10", "STEP": "10"}, (3, 7)),
    "two set by hand": ({"ID": "2", "COUNT": "7"}, (2, 7)),
}


@pytest.mark.parametrize("kind", SLURM)
def test_a_task_of_an_array_knows_its_shard(kind):
    variables, expected = SLURM[kind]
    environment = {f"SLURM_ARRAY_TASK_{name}": text for name, text in variables.items()}
    assert shard_of("slurm", environment) == Shard(*expected)


WRONG = {
    "no task": ({}, "SLURM_ARRAY_TASK_ID is not set: this is no task of an array"),
    "no number": ({"ID": "x", "COUNT": "2"}, "SLURM_ARRAY_TASK_ID is 'x', not a whole number"),
    "0 without MIN": ({"ID": "0", "COUNT": "7"}, "task 0 is none of an array of 7 from 1 on; SLURM_ARRAY_TASK_MIN"),
    "beyond": ({"ID": "8", "COUNT": "2", "MIN": "1"}, "task 8 is none of an array of 2"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_no_task_is_told(kind):
    variables, words = WRONG[kind]
    with pytest.raises(js.InputError, match=words):
        shard_of("slurm", {f"SLURM_ARRAY_TASK_{name}": text for name, text in variables.items()})
