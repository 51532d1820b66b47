"""Laws and records travel: pickled, copied, hashed, and used in another process they are what they were."""

import copy
import io
import multiprocessing
import pickle
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from helpers import BESIROGLU, LAW, LAW_CASES, TRUTH, swept_frame

import jaxscale as js
from jaxscale import costs, laws, limits
from jaxscale._fitting.fits import Failure
from jaxscale._fitting.pending import Pending
from jaxscale.laws._law import Instance


def there_and_back(value):
    return pickle.loads(pickle.dumps(value))


WAYS = (there_and_back, copy.copy, copy.deepcopy)


def power(E, A, alpha, *, N):
    """A formula in a module, where pickle finds it."""
    return E + A * N**-alpha


def log_power(params, *, log_N):
    return jnp.logaddexp(params.log_E, params.log_A - params.alpha * log_N)


def log_rent(log_N, log_D, price):
    return jnp.log(price) + log_N + log_D


def tokens_within_reach(N, D):
    return D / N - 400


OWN = (
    js.Law.from_loss(power),
    js.Law("mine", log_power, variables=("N",), parameters=("E", "A", "alpha")),
    replace(LAW, constants={}, note="changed"),
)


@pytest.fixture(scope="module")
def made():
    """One of each kind, from fits of one shape."""
    fit = js.fit(LAW, swept_frame(), intervals="quick")
    draws = js.bootstrap(fit, draws=40, seed=3)
    plan = js.frontier(fit, budgets=[1e22, 1e23], limits={"D_per_N": (25, None)})
    entries = (("a", fit), ("b", Failure("too_few_runs", "3 runs")), ("c", Pending(lambda: fit)))
    return SimpleNamespace(
        fit=fit,
        draws=draws,
        plan=plan,
        runs=fit.runs,
        fits=js.Fits("corpus", entries),
        card=fit.card(),
        report=fit.report(),
        what_if=js.what_if(plan, limits={"D_max": 1e12}),
        sensitivity=plan.sensitivity(),
        run_sensitivity=js.run_sensitivity(plan),
        influence=js.influence(fit),
        profile=js.profile(fit, "alpha"),
        instance=BESIROGLU,
        own_instance=LAW.at(**TRUTH, standard_errors={"alpha": 0.02}),
        cost=(2 * costs.six_nd.with_inference(tokens=2e13)).dollars("h100", price=2.0),
        own_cost=js.CostModel("rent", log_rent, assumptions={"price": 2.0}),
        limit=limits.days(30, devices=1024),
        own_limit=js.Limit(tokens_within_reach),
        bound=limits.read_limits({"N_max": 7e10})[0],
        objectives=(js.Huber(), js.SquaredError(), js.AbsoluteError(), js.StudentT()),
        shape=costs.Shape(2, 64, 128),
        accelerator=js.reference.accelerator("h100"),
        dataset=js.datasets.info(js.datasets.names()[0]),
        error=js.InputError("what, where, how"),
    )


def same(a: object, b: object) -> bool:
    """Whether two values are equal part by part, numbers that are nan among them."""
    if isinstance(a, laws.Law):
        return a is b
    if type(a) is not type(b):
        return False
    if isinstance(a, js.Fits):  # what is pending in one is finished in the other
        return same((a.by, a.items), (b.by, b.items))
    if is_dataclass(a):
        return all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    if isinstance(a, np.ndarray | float):
        return bool(np.array_equal(a, b, equal_nan=np.asarray(a).dtype.kind == "f"))
    if isinstance(a, pd.DataFrame | pd.Series):
        return a.equals(b)
    if isinstance(a, Mapping):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return str(a) == str(b) if isinstance(a, Exception) else a == b


def test_a_law_that_ships_arrives_as_itself():
    shipped = [laws.get(name) for name in laws.names()] + [case.law for case in LAW_CASES]
    shipped += [LAW >> laws.gadre_err, laws.bnsl(2) >> laws.gadre_err, laws.get("chinchilla >> gadre_err")]
    for law in shipped:
        assert [way(law) for way in WAYS] == [law] * 3, law
        assert hash(law) == hash(there_and_back(law))
        for name, instance in law.published.items():
            again = there_and_back(instance)
            assert isinstance(again, Instance) and again.law is law and again.constants == instance.constants, name


@pytest.mark.parametrize("law", OWN, ids=lambda law: law.name)
def test_a_law_of_ones_own_travels_by_its_function(law):
    again, later = there_and_back(law), there_and_back(law)
    assert again is later, "what was compiled for it is used again"
    assert copy.copy(law) is copy.deepcopy(law) is law
    assert str(again) == str(law) and again.variables == law.variables and again.parameters == law.parameters
    params = {**TRUTH, "E": 1.7, "A": 300.0, "alpha": 0.34}
    params = {name: params[name] for name in law.parameter_names}
    run = {v.name: 1e9 for v in law.variables}
    assert again.predict(params, **run) == law.predict(params, **run)


def test_every_record_is_equal_when_it_arrives(made):
    for name, record in vars(made).items():
        for way in WAYS:
            assert same(way(record), record), f"{name} by {way}"
        assert isinstance(hash(record), int), name
    assert not same(made.fit, replace(made.fit, seed=1))


@pytest.mark.slow
def test_records_of_questions_are_equal_when_they_arrive(made):
    runs, fit = made.runs, made.fit
    answers = {
        "comparison": js.compare(runs, ["chinchilla", "kaplan_nd"], holdout="C > 3e20"),
        "isoflop": js.isoflop(runs),
        "models": js.reference_models(fit),
        "ratio": js.ratio_test(fit, fixed={"alpha": 0.34}),
        "response": js.profile(fit, at={"N": 7e10, "D": 1.4e12}),
        "tornado": js.tornado(made.plan),
    }
    for name, record in answers.items():
        for way in WAYS:
            assert same(way(record), record), f"{name} by {way}"
        assert isinstance(hash(record), int), name


def test_what_arrives_answers_as_before(made, tmp_path):
    def written(record):
        record.save(tmp_path / "record.json")
        return (tmp_path / "record.json").read_bytes()

    for record in (made.fit, made.draws, made.plan, made.what_if, made.fits, made.card):
        assert written(there_and_back(record)) == written(record)
    run = {"N": 7e10, "D": 1.4e12}
    again = there_and_back(made.fit)
    assert again.predict(**run) == made.fit.predict(**run)
    assert again.predict_interval(**run) == made.fit.predict_interval(**run)
    cost, limit = there_and_back((costs.six_nd, made.bound[0]))
    budget = {"budgets": [1e23]}
    assert written(js.frontier(again, **budget, cost=cost, limits=limit)) == written(
        js.frontier(made.fit, **budget, limits=made.bound[0])
    )


def test_equal_records_have_equal_hashes(made):
    for record in (made.card, made.plan.rows[0], made.instance.constants, LAW.parameters[0], made.fit.record):
        again = there_and_back(record)
        assert again == record and hash(again) == hash(record) and again is not record


def test_loading_runs_nothing_but_constructors(made):
    """The names that a pickle asks for are those of records and of what they hold."""
    asked = set()

    class Watching(pickle.Unpickler):
        def find_class(self, module_name, global_name):
            asked.add((module_name.partition(".")[0], global_name))
            return super().find_class(module_name, global_name)

    for record in vars(made).values():
        Watching(io.BytesIO(pickle.dumps(record))).load()
    packages = {"jaxscale", "test_travel", "numpy", "pandas", "pyarrow", "builtins", "copyreg"}
    packages |= {"tblib"} & set(sys.modules)  # Dask, where it was imported, lets exceptions carry their tracebacks
    assert {module for module, _ in asked} <= packages
    builtins = {name for module, name in asked if module in ("builtins", "copyreg")}
    assert builtins <= {"slice", "object", "bytearray", "_reconstructor"}


def lambdas():
    here = 400
    return {
        "law 'lambda'": js.Law.from_loss(lambda E, A, *, N: E + A / N),
        "Limit 'ratio'": js.Limit(lambda N, D: D / N - here, name="ratio"),
        "CostModel 'rent'": js.CostModel("rent", lambda log_N, log_D: log_N + log_D),
    }


@pytest.mark.parametrize("owner", ["law 'lambda'", "Limit 'ratio'", "CostModel 'rent'"])
def test_a_function_without_a_name_is_refused_in_words(owner, monkeypatch):
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    with pytest.raises(pickle.PicklingError) as caught:
        pickle.dumps(lambdas()[owner])
    assert str(caught.value).startswith(f"{owner} cannot be pickled: its function is a lambda, stands inside another")
    assert "Write it with `def` at the top of a module, or pip install cloudpickle" in str(caught.value)
    assert caught.value.__cause__ is not None


def test_a_function_without_a_name_travels_by_cloudpickle():
    cloudpickle = pytest.importorskip("cloudpickle")
    law, limit, cost = lambdas().values()
    for dumps in (pickle.dumps, cloudpickle.dumps):
        law_again, limit_again, cost_again = pickle.loads(dumps((law, limit, cost)))
        assert law_again.predict({"E": 1.0, "A": 2.0}, N=4.0) == law.predict({"E": 1.0, "A": 2.0}, N=4.0) == 1.5
        assert limit_again.function(1.0, 500.0) == 100 and limit_again.arguments == ("N", "D")
        assert cost_again(1.0, 2.0) == 3
    assert there_and_back(law) is there_and_back(law)
    assert cloudpickle.loads(cloudpickle.dumps(LAW)) is LAW


def test_what_no_pickler_writes_is_refused_in_words():
    pytest.importorskip("cloudpickle")
    lock = threading.Lock()
    law = js.Law.from_loss(lambda E, A, *, N: E + A / N if lock else E)
    with pytest.raises(pickle.PicklingError, match=r"law 'lambda' cannot be pickled: .* without what .*lock"):
        pickle.dumps(law)


def best_size(source) -> float:
    return js.frontier(source, budgets=[1e23]).rows[0].N


@pytest.mark.slow
def test_another_process_gives_the_same_answers():
    """Spawned as on macOS and Windows: nothing is there but what was pickled."""
    own = OWN[0].at(E=1.7, A=300.0, alpha=0.34)
    sources = [BESIROGLU, LAW.at(**TRUTH, standard_errors={"alpha": 0.02})]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(best_size, sources) == [best_size(source) for source in sources]
        assert pool.apply(own.predict, kwds={"N": 1e9}) == own.predict(N=1e9)


@pytest.mark.slow
def test_laws_load_where_nothing_was_imported_yet(tmp_path):
    (tmp_path / "law.pickle").write_bytes(pickle.dumps((LAW, laws.bnsl(2), LAW >> laws.gadre_err)))
    program = (
        "import pickle; a, b, c = pickle.load(open('law.pickle', 'rb')); "
        "import jaxscale as js; print(a is js.laws.chinchilla, b is js.laws.bnsl(2), c.steps[0] is a)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "True True True\n"
