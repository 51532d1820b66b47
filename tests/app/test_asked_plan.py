"""What sliders answer is what `frontier` says; files hold the same; links and requests that cannot be are refused."""

import io
import json
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import jaxscale as js
from jaxscale._base.errors import InputError
from jaxscale._pages.app.asked_plan import AskedPlan, answer_to, per_hour
from jaxscale._pages.app.asked_reading import Reading
from jaxscale._pages.app.slider_model import first_asked, sliders_at
from jaxscale._pages.app.table_fit import table_fit
from jaxscale._pages.app.take_away import FILES, Taken

pytestmark = pytest.mark.slow  # each kind of plan is compiled


def asked(**values) -> AskedPlan:
    return AskedPlan.of(values)


CASES = [
    (asked(budget=3e22), {"budgets": [3e22]}),
    (
        asked(budget=3e22, served=2e13, cap=1.5e11),
        {"budgets": [3e22], "cost": js.costs.get("six_nd", inference_tokens=2e13), "limits": {"D_max": 1.5e11}},
    ),
    (
        asked(target="dollars", budget=1e6, price=3.0, served=1e12),
        {"budgets": [1e6], "cost": js.costs.get("dollars:h100,mfu=.4,price=3", inference_tokens=1e12)},
    ),
    (asked(target="gpu_days", budget=500.0), {"budgets": [12_000.0], "cost": "gpu_hours:h100,mfu=.4"}),
    (asked(target="loss", loss=2.1), {"reach_loss": [2.1]}),
    (asked(target="size", size=7e9, budget=1e22), {"budgets": [1e22], "fixed": {"N": 7e9}}),
]


@pytest.mark.parametrize(("state", "request_"), CASES, ids=[c[0].target for c in CASES])
def test_sliders_answer_as_frontier_does(fitted, state, request_):
    answer = answer_to(fitted, state)
    (row,) = js.frontier(fitted.draws, **request_).rows
    assert answer["status"] == "ok"
    N = state.size or row.N
    for name, value in (("N", N), ("D", row.D), ("loss", row.loss), ("ratio", row.D / N)):
        assert answer[name] == pytest.approx(value, rel=1e-6)
    wanted = {"N", "D", "ratio", "loss"} - {"loss": {"loss"}, "size": {"N"}}.get(state.target, set())
    assert set(answer["bands"]) == wanted
    for name in wanted:
        own = row.intervals.get({"ratio": "tokens_per_param"}.get(name, name))
        own = own or [end / N for end in row.intervals["D"]]  # of a size that is held
        assert answer["bands"][name] == pytest.approx(own, rel=1e-5)
    served = state.served or 0.0
    assert answer["bill"] == pytest.approx(N * (6 * row.D + 2 * served) / per_hour() * state.hourly, rel=1e-6)


def test_the_curve_is_of_the_same_plans(fitted):
    answer = answer_to(fitted, asked(budget=1e22, low=1e21, high=1e23))
    plan = js.frontier(fitted.draws, answer["curve"]["budget"])
    assert answer["curve"]["budget"][0] == pytest.approx(1e21) and answer["curve"]["budget"][-1] == pytest.approx(1e23)
    assert answer["curve"]["N"] == pytest.approx([row.N for row in plan.rows], rel=1e-6)
    assert answer["curve"]["N_hi"] == pytest.approx([row.intervals["N"][1] for row in plan.rows], rel=1e-5)
    json.dumps(answer, allow_nan=False)


def test_a_fit_that_knows_no_intervals_has_none_on_the_page():
    """Three runs determine no five constants; their resampled fits all end where they began."""
    few = table_fit(js.fit("chinchilla", js.read_runs(js.synthetic.demo_frame().head(3))))
    first = first_asked(few, "flops", "")
    assert few.draws is None and answer_to(few, first)["bands"] == {}
    model = sliders_at(few, first).model
    assert "kind" not in model and "sigmas" not in {c["id"] for c in model["controls"]}


def test_limits_that_contradict_each_other_are_said(fitted):
    answer = answer_to(fitted, asked(target="size", size=1e15, budget=1e15))
    assert answer["status"] == "infeasible" and answer["note"] and answer["N"] is None
    json.dumps(answer, allow_nan=False)


def test_a_moved_exponent_takes_the_others_along(fitted):
    """The conditional mean of a Gaussian, and what it leaves of the spread, by regression on the draws."""
    j = fitted.exponent
    assert fitted.result.law.parameter_names[j] == "beta"
    moved = fitted.moved(1.5)
    cloud = fitted.draws.draws
    others = [k for k in range(cloud.shape[1]) if k != j]
    slopes = [np.polyfit(cloud[:, j], cloud[:, k], 1)[0] for k in others]
    step = moved.theta[j] - fitted.draws.theta[j]
    assert step == pytest.approx(1.5 * cloud[:, j].std(ddof=1))
    assert moved.theta[others] - fitted.draws.theta[others] == pytest.approx(np.array(slopes) * step)
    assert np.ptp(moved.draws[:, j]) == pytest.approx(0, abs=1e-12)
    for k, slope in zip(others, slopes, strict=True):
        left = cloud[:, k] - slope * cloud[:, j]
        assert moved.draws[:, k].std() == pytest.approx(left.std(), rel=1e-9)
    assert fitted.moved(0.0) is fitted.draws


def test_budgets_are_read_in_words(fitted):
    first = first_asked(fitted, "flops", "8 x H100 for 30 days @ 40%")
    assert first.flops == pytest.approx(8 * 30 * 24 * per_hour())
    assert first_asked(fitted, "gpu_days", "8 x H100 for 30 days").budget == pytest.approx(240)
    assert first_asked(fitted, "dollars", "$2M").budget == 2e6
    assert first_asked(fitted, "dollars", "8 x H100 for 30 days").budget == pytest.approx(8 * 30 * 24 * 2.0)
    assert first_asked(fitted, "flops", "").budget == fitted.budget
    with pytest.raises(InputError, match=r"not a number|in words|write"):
        first_asked(fitted, "flops", "a lot")
    for target, amount in (("dollars", "-4"), ("loss", "0"), ("size", "0"), ("flops", "-1e20")):
        with pytest.raises(InputError, match="above 0"):
            first_asked(fitted, target, amount)
    for target in ("flops", "dollars", "gpu_days", "loss", "size"):
        sliders = sliders_at(fitted, first_asked(fitted, target, ""))
        ids = [c["id"] for c in sliders.model["controls"]]
        assert ids[-4:] == ["served", "cap", "price", "sigmas"]
        assert {"loss": ["loss"], "size": ["size", "budget"]}.get(target, ["budget"]) == ids[:-4]
        json.dumps(sliders.model, allow_nan=False)


def test_the_page_and_its_files_say_the_same(enter, held, fitted):
    client, known, secret = enter()
    known.hold(secret, held)
    page = client.get(f"/tables/{held.id}").text
    assert str(fitted.result.verdict).split(":")[0].lower() in page.lower()
    state = {"target": "dollars", "budget": 1e6, "price": 3.0}
    (row,) = js.frontier(fitted.draws, [1e6], cost="dollars:h100,mfu=.4,price=3").rows
    live = client.post(f"/api/tables/{held.id}/plan", json=state).json()
    assert live["N"] == pytest.approx(row.N, rel=1e-6) and live["asked"] == "1M dollars"
    table = client.get(f"/tables/{held.id}/table.csv", params=state)
    assert "attachment" in table.headers["content-disposition"]
    assert pd.read_csv(io.StringIO(table.text)).N[0] == pytest.approx(row.N, rel=1e-9)
    plan = client.get(f"/tables/{held.id}/plan.json", params=state).json()
    assert plan["format"] == "jaxscale.plan/1" and plan["rows"][0]["N"] == pytest.approx(row.N, rel=1e-9)
    code = client.get(f"/tables/{held.id}/analysis.py", params=state).text
    compile(code, "analysis.py", "exec")
    assert "js.bootstrap(" in code and "dollars" in code
    bad = client.post(f"/api/tables/{held.id}/plan", json={"budget": "x"})
    assert bad.status_code == 400 and "not a number" in bad.json()["error"]
    assert client.post(f"/api/tables/{held.id}/plan", content=b"[").status_code == 400
    assert client.get(f"/tables/{held.id}/passwords.txt", params=state).status_code == 404
    asked_badly = client.get(f"/tables/{held.id}", params={"target": "flops", "amount": "a lot"}).text
    assert 'role="alert" class="trust warning"' in asked_badly


def test_a_table_that_is_gone_leads_back_to_the_start(enter):
    client, _, _ = enter()
    answer = client.get("/tables/gone", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_the_python_that_is_taken_away_makes_the_numbers_again(fitted, tmp_path, monkeypatch):
    """Run as it is, beside the table."""
    monkeypatch.chdir(tmp_path)
    name = "the runs's.csv"
    js.synthetic.demo_frame().to_csv(name, index=False)
    for state in (
        asked(budget=3e22, served=2e13, cap=1.5e11, sigmas=-1.2),
        asked(target="gpu_days", budget=500.0),
        asked(target="loss", loss=2.1),
        asked(target="size", size=7e9, budget=1e22),
    ):
        Path("analysis.py").write_text(FILES["analysis.py"][1](Taken(name, fitted, state)))
        again, answer = runpy.run_path("analysis.py")["plan"].to_frame().iloc[0], answer_to(fitted, state)
        for column in ("D", "loss") if state.size else ("N", "D", "loss"):
            assert again[column] == pytest.approx(answer[column], rel=1e-6)
            if column in answer["bands"]:
                assert [again[f"{column}_lo"], again[f"{column}_hi"]] == pytest.approx(
                    answer["bands"][column], rel=1e-5
                )
        Path("report.html").unlink()


def test_so_does_that_of_a_table_with_a_formula_a_filter_and_weights(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame = js.synthetic.demo_frame()
    frame = frame.assign(steps=frame.tokens / 1e6, w=1.0 + (frame.params > 1e9)).drop(columns="tokens")
    frame.to_csv("runs.csv", index=False)
    reading = Reading.of({"D": "=steps*1e6", "where": "loss < 3.5", "weights": "w", "C": "-"}, frame.columns)
    runs = js.Runs.from_frame(frame, **reading.options)
    assert (runs.count, runs.weights.max()) == (44, 2.0)
    fitted = table_fit(js.fit("chinchilla", runs, intervals="quick"), reading=reading)
    state = asked(budget=3e22)
    Path("analysis.py").write_text(FILES["analysis.py"][1](Taken("runs.csv", fitted, state)))
    again, answer = runpy.run_path("analysis.py")["plan"].to_frame().iloc[0], answer_to(fitted, state)
    assert [again.N, again.D, again.N_lo, again.N_hi] == pytest.approx(
        [answer["N"], answer["D"], *answer["bands"]["N"]], rel=1e-6
    )
    report = FILES["report.html"][1](Taken("runs.csv", fitted, state))
    assert "--weights w" in report and "D=&#x27;steps*1e6&#x27;" in report


def test_the_table_has_a_row_for_each_scenario_kept(enter, held, fitted):
    client, known, secret = enter()
    known.hold(secret, held)
    kept = [
        "target:loss,loss:2.1,price:2,sigmas:0",
        "target:size,size:7e9,budget:1e22",
        "target:flops,budget:3e22,cap:1.5e11",
    ]
    query = {"target": "dollars", "budget": "1e6", "keep": kept}
    table = pd.read_csv(io.StringIO(client.get(f"/tables/{held.id}/table.csv", params=query).text))
    assert list(table.scenario) == ["now", "kept 1", "kept 2", "kept 3"]
    assert list(table.unit) == ["dollars", "FLOPs", "FLOPs", "FLOPs"]
    (loss,) = js.frontier(fitted.draws, reach_loss=[2.1]).rows
    (capped,) = js.frontier(fitted.draws, [3e22], limits={"D_max": 1.5e11}).rows
    assert [table.D[1], table.N_hi[1]] == pytest.approx([loss.D, loss.intervals["N"][1]])
    assert [table.N[3], table.loss[3], table.tokens_cap[3]] == pytest.approx([capped.N, capped.loss, 1.5e11])
    assert table.N[2] == 7e9 and table.tokens_cap.isna().tolist() == [True, True, True, False]
    refused = client.get(f"/tables/{held.id}/table.csv", params=query | {"keep": kept * 7})
    assert refused.status_code == 400 and "up to 20 scenarios" in refused.json()["error"]
    assert client.get(f"/tables/{held.id}/table.csv", params=query | {"keep": "target:loss"}).status_code == 400
