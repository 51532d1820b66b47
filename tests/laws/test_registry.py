"""How shipped laws are found: names, options, published constants, and errors that say what there is."""

import subprocess
import sys
from dataclasses import replace
from functools import reduce
from importlib import import_module
from operator import rshift
from pkgutil import iter_modules

import pytest

from jaxscale import laws
from jaxscale._base.errors import InputError


def test_names_and_get():
    assert laws.names() == (
        "chinchilla",
        "chinchilla_a1",
        "chinchilla_a2",
        "porian_alloc",
        "pearce_song",
        "kaplan_n",
        "kaplan_d",
        "kaplan_c",
        "kaplan_cmin",
        "kaplan_nd",
        "kaplan_ns",
        "kaplan_bcrit",
        "kaplan_alloc",
        "kaplan_frontier",
        "muennighoff",
        "lovelace_repeated",
        "gadre_overtrain",
        "llama3_dopt",
        "rescaled_optimizer",
        "moonlight_frontier",
        "gemstones",
        "bian_shape",
        "deepseek_alloc",
        "deepseek_hparams",
        "step_law",
        "porian_hparams",
        "minicpm",
        "mccandlish_steps",
        "batch_by_tokens",
        "power_lines_timescale",
        "clark_routed",
        "krajewski_granularity",
        "abnar_sparsity",
        "ludziejewski_joint_moe",
        "ling_leverage",
        "ling_hparams",
        "hunyuan_moe",
        "frantar_sparsity",
        "xiong_context",
        "shen_linear",
        "shen_linear_alloc",
        "tissue_annealing",
        "multi_power_law",
        "farseer",
        "skaling",
        "hernandez_transfer",
        "zhang_finetuning",
        "lin_rectified",
        "loss_to_loss",
        "henighan",
        "henighan_c",
        "henighan_text",
        "henighan_text_c",
        "henighan_alloc",
        "aghajanyan_mixed",
        "zhai_vit",
        "cherti_clip",
        "domain_alloc",
        "tao_vocab_size",
        "tao_alloc",
        "brown_passk",
        "snell_exchange",
        "jones_train_test",
        "sardana_flops",
        "sardana_dollar",
        "parscale",
        "diloco",
        "diloco_hparams",
        "busbridge_supervised",
        "busbridge_distill",
        "scalerl_sigmoid",
        "tan_rl",
        "gao_best_of_n",
        "gao_rl",
        "gadre_err",
        "task_accuracy",
        "llama3_task_loss",
        "llama3_two_step",
        "bhagia_two_step",
        "bhagia_one_step",
        "he_multilingual",
        "chen_qat",
        "ouyang_ptq",
        "power_law",
        "log_law",
        "goyal_filtering",
        "ye_mixing",
        "shukor_mixture",
        "tao_vocab",
        "kumar_precision_train",
        "kumar_ptq",
        "quantised_after",
        "bnsl",
        "alabdulmohsin_m1",
        "alabdulmohsin_m2",
        "alabdulmohsin_m3",
        "alabdulmohsin_m4",
    )
    for name in laws.names():
        law = laws.get(name)
        assert law.name == name
        assert laws.get(law.name, **law.options) is law
        attribute = getattr(laws, name)
        assert (attribute() if law.options else attribute) is law


def test_options_are_kept_and_give_one_object():
    law = laws.get("power_law", variable="C", floor=False)
    assert dict(law.options) == {"variable": "C", "floor": False, "real": False}
    assert laws.power_law("C", floor=False) is law
    assert laws.get("power_law") is laws.power_law("N", True)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: laws.get("chincilla"), ("no law 'chincilla'; did you mean 'chinchilla'",)),
        (lambda: laws.get("zzz"), ("there are chinchilla", "power_law")),
        (lambda: laws.get("chinchilla", floor=True), ("takes no options", "floor")),
        (lambda: laws.get("power_law", variabel="N"), ("'variabel'", "variable, floor")),
        (lambda: laws.get("power_law", floor="yes"), ("floor=True", "'yes'")),
        (lambda: laws.get("power_law", variable="my column"), ("'my column'", "variable")),
        (lambda: laws.get("power_law", variable=3), ("3", "variable")),
        (lambda: laws.get("power_law", variable="alpha"), ("'alpha' twice",)),
        (lambda: laws.get("power_law", variable="loss"), ("'loss' twice",)),
        (lambda: laws.instance("chinchilla:besiroglou"), ("did you mean 'besiroglu' or 'besiroglu_converged'?",)),
        (lambda: laws.instance("chinchilla"), ("law:instance", "besiroglu")),
        (lambda: laws.instance("chinchilla:"), ("no instance ''", "besiroglu")),
        (lambda: laws.instance("chincilla:besiroglu"), ("did you mean 'chinchilla'",)),
        (lambda: laws.instance("power_law:x"), ("no published constants",)),
    ],
)
def test_registry_errors_say_what_there_is(call, words):
    with pytest.raises(InputError) as error:
        call()
    assert all(word in str(error.value) for word in words), str(error.value)


def test_importing_touches_no_device_and_no_setting():
    code = (
        "import jax, jax._src.xla_bridge as bridge; before = dict(jax.config.values); import jaxscale.laws;"
        "assert not bridge._backends and dict(jax.config.values) == before"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_every_law_that_a_family_defines_is_listed():
    """A law added to a file of laws that the registry does not know would be missing from `jaxscale laws`."""
    families = [
        import_module(f"jaxscale.laws.{info.name}")
        for info in iter_modules(laws.__path__)
        if not info.name.startswith("_")
    ]
    defined = {law.name for family in families for law in vars(family).values() if isinstance(law, laws.Law)}
    assert len(families) >= 19 and defined <= set(laws.names())


def test_a_chain_without_end_is_refused_in_words():
    with pytest.raises(InputError, match="there is no law ''"):
        laws.get("chinchilla >> " * 3000)
    step = laws.Law("step", lambda p, *, log_x: p.log_a + log_x, ("x",), ("a",), response="x2")
    steps = [replace(step, variables=(f"x{k}",), response=f"x{k + 1}") for k in range(11)]
    with pytest.raises(InputError, match="no more than nine laws of a chain have a parameter 'a'"):
        reduce(rshift, steps)
