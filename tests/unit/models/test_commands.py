"""`python -m models` without a lake to look at: one line that says so, and no secret in it."""

import json

import pytest

from models.__main__ import main

DAY = "2026-11-16"
COMMANDS = (
    ["parity", "--day", DAY],
    ["rules-backtest", "--rules", "config/rules.yaml", "--from", DAY, "--to", DAY],
    ["retrain", "--run", "0" * 32],
)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_lake_that_cannot_be_reached_is_told_without_its_password(command, tmp_path, capsys):
    nobody = "postgresql://khata_lake:s3cret@127.0.0.1:1/khata_lake"
    (tmp_path / "dev.json").write_text(json.dumps({"lake_database_url": f"postgres:{nobody}"}))
    assert main([*command, "--data", str(tmp_path)]) == 2
    (told,) = capsys.readouterr().err.strip().splitlines()
    assert told.startswith("the lake cannot be opened")
    assert "s3cret" not in told


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_folder_without_a_lake_is_named(command, tmp_path, capsys):
    assert main([*command, "--data", str(tmp_path)]) == 2
    assert str(tmp_path / "dev.json") in capsys.readouterr().err
