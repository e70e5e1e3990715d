"""The demo as its user meets it: one command, a report, an exit code."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source import ROOT

# A wrong UTR is a settlement that does not come and a credit that nobody announced; a debit without
# credit is a payment that we do not have, and its return.
KINDS = {
    "amount_mismatch": 2,
    "duplicate_external": 2,
    "missing_external": 2 + 1,
    "missing_internal": 2 + 1,
    "reversed_unpaired": 1,
    "timing": 2,
    "unexpected_credit": 1 + 1,
}


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipelines", "demo", *arguments],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("KHATA_")},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


@pytest.mark.slow
def test_a_day_is_paid_settled_reconciled_and_reported(tmp_path: Path) -> None:
    data = tmp_path / "demo"
    done = demo("--data", str(data), "--history", "2000", "--payments", "120")
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    report = json.loads((data / "report.json").read_text())
    assert set(report) == {
        *(
            "payments",
            "ledger",
            "breaks",
            "explained",
            "settlements",
            "statements",
            "model",
            "risk",
            "elapsed_s",
        ),
    }
    payments = report["payments"]
    assert payments["created"] == 120
    assert payments["captured"] + payments["declined"] == 120
    assert payments["unknown"] == 0
    assert payments["refunded"] > 0
    assert (payments["reversed"], payments["disputed"]) == (3, 3)
    # One was lost, and one is open: both are out of what is owed, the one that was won is not.
    assert sum(settled["disputes_minor"] for settled in report["settlements"]) > 0
    assert report["ledger"]["sum_minor"] == 0
    assert report["ledger"]["transactions"] > 2_000
    assert report["breaks"] == {kind: {"injected": n, "found": n} for kind, n in KINDS.items()}
    # Rows of a file that was cut short were missing until it came again.
    assert set(report["explained"]) == {"missing_external"}
    explained = report["explained"]["missing_external"]
    assert explained["found"] == explained["injected"] > 0
    for settled in report["settlements"]:
        taken = ("refunds_minor", "disputes_minor", "fees_minor", "tax_minor")
        charges = sum(settled[name] for name in taken)
        assert settled["net_minor"] == settled["gross_minor"] - charges
        # What the next morning's postings used already is not paid out.
        assert 0 <= settled["payout_minor"] <= max(settled["net_minor"], 0)
    assert len(report["statements"]) == 3 * len(report["settlements"])
    assert all(Path(path).stat().st_size for path in report["statements"])
    model, risk = report["model"], report["risk"]
    assert (model["version"], model["challenger"]) == ("1", "2")
    assert sum(risk["decisions"].values()) == payments["created"]
    assert sum(risk["challenger"].values()) == payments["created"]
    assert (risk["replayed"], risk["replayed_otherwise"]) == (payments["created"], 0)
    assert risk["labels_known"] >= 1
    assert "Every fault found, none invented, books verified" in done.stdout
    assert not (data / "dev.pid").exists(), "what was started was stopped"


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("mine")
    done = demo("--data", str(tmp_path))
    assert done.returncode == 1
    assert "name another --data" in done.stderr
    assert (tmp_path / "letter").read_text() == "mine"
