"""Who may import whom: the contracts of pyproject.toml hold, and cover every slice."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.architecture.source import ROOT

PRIVATE = ("store", "routes")


def test_import_contracts_are_kept():
    # The console script's own entry, so that the tests do not depend on what is on the PATH.
    code = "import sys; from importlinter.cli import lint_imports_command as c; sys.exit(c())"
    done = subprocess.run(
        [sys.executable, "-c", code, "--no-cache"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def private_modules() -> list[str]:
    return [
        f"online.{folder.name}.{name}"
        for folder in sorted((ROOT / "online").iterdir())
        if folder.name not in ("kernel", "platform", "sandbox")
        for name in PRIVATE
        if (folder / f"{name}.py").exists() or (folder / name / "__init__.py").exists()
    ]


@pytest.mark.parametrize("module", private_modules())
def test_every_store_and_routes_has_its_own_contract(module):
    settings = tomllib.loads(Path(ROOT, "pyproject.toml").read_text())
    slice_ = module.rpartition(".")[0]
    contracts = [
        contract
        for contract in settings["tool"]["importlinter"]["contracts"]
        if contract["type"] == "protected" and module in contract["protected_modules"]
    ]
    assert len(contracts) == 1, f"{module} needs a protected contract in pyproject.toml"
    allowed = [f"{slice_}.**"]
    if any(name.endswith(".store") for name in contracts[0]["protected_modules"]):
        allowed.append("online.operations.**")  # checks and writes the books of all slices
    assert contracts[0]["allowed_importers"] == allowed
    assert contracts[0].get("ignore_imports", []) in ([], [f"online.app -> {slice_}.routes"])
