"""What the script of CI does with stages that run beside others."""

import os
import shutil
import subprocess

import pytest
from helpers import ROOT

STAGES = """
beside 'long' sleep 77
echo "process ${!beside[@]}"
beside 'bad' bash -c 'echo told; exit 3'
stage 'in front' sleep 0.2
joined 'bad'
echo 'not reached'
"""


@pytest.mark.skipif(shutil.which("bash") is None or os.name != "posix", reason="the script is for bash")
def test_a_stage_that_fails_beside_others_ends_the_script_by_its_name_and_nothing_is_left(tmp_path):
    (tmp_path / ".ci").mkdir()
    (tmp_path / "scratch").mkdir()
    script = tmp_path / ".ci" / "run"
    functions, found, _ = (ROOT / ".ci" / "run").read_text(encoding="utf-8").partition("\npython=$(oldest)\n")
    assert found
    script.write_text(functions + STAGES, encoding="utf-8")
    kept = os.environ | {"TMPDIR": str(tmp_path / "scratch")}
    done = subprocess.run(["bash", str(script)], capture_output=True, text=True, check=False, env=kept)
    assert (done.returncode, done.stderr) == (3, "=== failed: bad\n")
    assert "told\n" in done.stdout and "not reached" not in done.stdout
    process = int(done.stdout.partition("process ")[2].split()[0])
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    assert not list((tmp_path / "scratch").iterdir())
