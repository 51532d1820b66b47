"""What is promised about the repository: set-up, versions, documents that lead somewhere, no trace of one machine."""

import json
import os
import re
import shlex
import subprocess
import tomllib
from importlib import resources

import pytest
from helpers import ROOT, run_python

import jaxscale

README = (ROOT / "README.md").read_text(encoding="utf-8")


def code_blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


# Set-up


def test_ci_runs_the_two_commands_that_the_readme_prints():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    in_readme = [line for block in code_blocks("console") for line in block.splitlines() if line.startswith("pip ")]
    assert in_readme == re.findall(r'bash -c "(pip .*)"$', script, flags=re.MULTILINE)
    assert in_readme == ["pip install -e . && jaxscale demo", "pip install -e '.[test]' && pytest"]


def test_ci_script_can_be_run_and_is_what_github_calls():
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert "- run: .ci/run\n" in (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")


@pytest.mark.slow
def test_readme_python_and_commands_run(tmp_path, monkeypatch, jaxscale):
    python = "\n".join(code_blocks("python"))
    commands = re.findall(r"^\$ jaxscale (.*)$", "\n".join(code_blocks("console")), flags=re.MULTILINE)
    assert "js.fit(" in python
    assert len(commands) >= 3
    assert "alpha" in run_python("-c", python, folder=tmp_path)
    (tmp_path / "new.csv").write_text("params,tokens,loss\n70e9,1.4e12,1.99\n")  # the run that was to come
    families = [f"Llama-{k},{n}e9,{k}e12,{0.1 * k + n / 20:.2f},{n / 10:.2f}" for k in (1, 2, 3) for n in (1, 3, 9)]
    (tmp_path / "models.csv").write_text("\n".join(["family,N,D,mmlu,gsm8k", *families]))  # public models
    monkeypatch.chdir(tmp_path)
    for command in commands:  # they read the table that the Python example wrote
        status, output, said = jaxscale(*shlex.split(command))
        assert status == 0, said
        assert output.strip() or " -o " in command, f"jaxscale {command} printed nothing"
    assert json.loads((tmp_path / "fit.json").read_text(encoding="utf-8"))["format"] == "jaxscale.fit/1"


# By docs/build.py.
MADE = {"laws.md", "command-line.md", "formats.md", "api-functions.md", "api-records.md", "api-namespaces.md"} | {
    f"{path.stem}.md" for path in (ROOT / "notebooks").glob("*.ipynb")
}


def test_links_of_the_documents_lead_to_files():
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")):
        links = re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", path.read_text(encoding="utf-8"))
        lost = [link for link in links if not (path.parent / link).exists()]
        made = MADE if path.parent.name == "docs" else set()
        assert [link for link in lost if link not in made] == [], path.name


# Versions


def test_every_version_is_the_same():
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert pyproject["project"]["dynamic"] == ["version"]
    documents = {
        pyproject["tool"]["hatch"]["version"]["path"]: r'^__version__ = "(.+)"$',
        "CITATION.cff": r"^version: (.+)$",
        "CHANGELOG.md": r"^## (\S+)",
    }
    for document, pattern in documents.items():
        first = re.search(pattern, (ROOT / document).read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert first is not None, document
        assert first[1] == jaxscale.__version__, document


def test_types_ship_with_the_package():
    assert resources.files(jaxscale).joinpath("py.typed").is_file()


# Nothing of one machine

MACHINE = {
    "an absolute path": re.compile(r"(?<![\w.~}])/(?:home|Users|root|tmp|opt|mnt|srv|work)/\w"),
    "a package registry": re.compile(r"pypi\.org|pythonhosted\.org|registry\.npmjs|index[-]url"),
}


def test_no_file_speaks_of_one_machine():
    if not (ROOT / ".git").exists():
        pytest.skip("which files belong to the repository is known to git alone")
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    paths = [ROOT / name for name in listed.stdout.splitlines()]
    found = [
        f"{path.relative_to(ROOT)}:{number}: {what}"
        for path in paths
        if path.is_file()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        for what, pattern in MACHINE.items()
        if pattern.search(line)
    ]
    assert ROOT / "README.md" in paths
    assert found == []
