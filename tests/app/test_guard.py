"""Who may ask: hosts, origins, tokens, cookies, and what every answer says of itself."""

import pytest
from starlette.testclient import TestClient

from jaxscale._base.errors import InputError
from jaxscale._pages.app.browsers import MOST_BROWSERS, MOST_TABLES, Browsers, HeldTable
from jaxscale._pages.app.guard import POLICY
from jaxscale._pages.app.routes import application

OURS = {"origin": "http://testserver"}


@pytest.fixture
def stranger():
    return TestClient(application(Browsers("the-token"), ("testserver",)))


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/", {}, 200),
        ("/", {"host": "evil.example"}, 421),
        ("/", {"host": "testserver:99"}, 421),
        ("/app.js", {"sec-fetch-site": "cross-site"}, 403),
        ("/app.js", {"sec-fetch-site": "same-site"}, 403),  # another port of this machine
        ("/app.js", {"origin": "http://evil.example"}, 403),
        ("/api/tables", {}, 403),
        ("/api/tables", {"cookie": "jaxscale=guess"}, 403),
        ("/tables/x", {}, 403),
        ("/nothing", {}, 403),
    ],
)
def test_hosts_origins_and_browsers_without_the_token_are_refused(stranger, path, headers, status):
    answer = stranger.get(path, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-security-policy"] == POLICY
    assert "unsafe" not in POLICY and POLICY.startswith("default-src 'none'")
    assert (answer.headers["cache-control"], answer.headers["x-content-type-options"]) == ("no-store", "nosniff")
    assert "access-control-allow-origin" not in answer.headers
    if status != 200:
        assert answer.json()["error"]


def test_what_changes_something_is_asked_by_the_page_alone(stranger):
    given = {"json": {"token": "the-token"}}
    assert stranger.post("/api/enter", **given).status_code == 403  # no browser posts without an origin
    assert stranger.post("/api/enter", headers={"origin": "null"}, **given).status_code == 403
    assert stranger.request("DELETE", "/api/tables", headers=OURS).status_code == 403
    assert stranger.post("/api/enter", headers=OURS, json={"token": "guess"}).status_code == 403
    assert not stranger.cookies


def test_two_hosts_are_none(stranger):
    assert stranger.get("/", headers=[("host", "testserver"), ("host", "evil.example")]).status_code == 421


def test_the_token_becomes_a_cookie_that_no_script_reads_and_no_other_site_sends(stranger):
    answer = stranger.post("/api/enter", headers=OURS, json={"token": "the-token"})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and "the-token" not in cookie
    assert stranger.get("/api/tables").json() == {"tables": []}
    assert stranger.get("/nothing").status_code == 404


def test_a_browser_that_shows_the_token_again_keeps_its_tables():
    known = Browsers("the-token")
    client = TestClient(application(known, ("testserver",)), headers=OURS)
    assert client.post("/api/enter", json={"token": "the-token"}).status_code == 200
    secret = client.cookies["jaxscale"]
    known.hold(secret, HeldTable("runs.csv", []))
    assert client.post("/api/enter", json={"token": "guess"}).status_code == 403
    assert client.post("/api/enter", content=r'{"token": "\ud800"}').status_code == 403  # no text that bytes can hold
    assert client.post("/api/enter", json={"token": "the-token"}).status_code == 200
    assert client.cookies["jaxscale"] == secret
    assert [table["name"] for table in client.get("/api/tables").json()["tables"]] == ["runs.csv"]
    assert known.enter("the-token", "made up") not in (None, secret, "made up")
    with pytest.raises(InputError, match="no longer known"):
        known.hold("gone", HeldTable("late.csv", []))


def test_names_of_hosts_are_of_either_case():
    client = TestClient(application(Browsers("t"), ("Studio.local:8462",)))
    assert client.get("/", headers={"host": "studio.local:8462"}).status_code == 200
    assert client.get("/", headers={"host": "studio.local.evil:8462"}).status_code == 421


def test_there_are_no_web_sockets(stranger):
    with pytest.raises(Exception, match=r".*"), stranger.websocket_connect("/", headers=OURS):
        pass


def test_browsers_are_few_and_go_when_they_are_idle():
    now = [0.0]
    known = Browsers("t", ("given.csv", "frame"), clock=lambda: now[0])
    secrets = [known.enter("t") for _ in range(MOST_BROWSERS + 1)]
    assert known.enter("u") is None
    assert [known.knows(s) for s in secrets] == [False, *[True] * MOST_BROWSERS]
    (first,) = known.tables(secrets[1])
    (second,) = known.tables(secrets[2])
    assert first.name == "given.csv" and first.id != second.id
    for k in range(MOST_TABLES):
        known.hold(secrets[1], HeldTable(f"{k}", None))
    with pytest.raises(InputError, match="no longer held"):
        known.table(secrets[1], first.id)
    with pytest.raises(InputError, match="no longer held"):  # nor another's
        known.table(secrets[1], second.id)
    now[0] = 3 * 3600.0
    assert known.knows(secrets[2])
    now[0] = 5 * 3600.0
    assert [known.knows(s) for s in secrets[:3]] == [False, False, True]
    assert known.tables(secrets[1]) == []
