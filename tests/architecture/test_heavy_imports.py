"""Dagster loads the definitions in the server, each run and each step: they must load fast."""

import os
import subprocess
import sys

from tests.architecture.source import ROOT

HEAVY = ("mlflow", "great_expectations", "sklearn", "skl2onnx")

LOAD = f"""
import sys
from pipelines.definitions import defs
loaded = defs() if callable(defs) else defs
assert loaded is not None
print(",".join(name for name in {HEAVY!r} if name in sys.modules))
"""


def test_loading_the_definitions_imports_nothing_heavy(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", LOAD],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "DAGSTER_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "", f"imported: {done.stdout}"
