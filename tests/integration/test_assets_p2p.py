"""A day with transfers between people through the assets: all checks hold, nothing is settled."""

from datetime import timedelta

from dagster import AssetSelection

from online.sandbox import camt, switch_file
from online.sandbox.rails import RAILS
from tests.integration.test_assets import GROUPS, RECONCILE, House, checks, house
from tests.unit.warehouse.books import (
    DAY,
    NEXT_DAY,
    Books,
    bank_file,
    credit,
    noon,
    rail_file,
    rail_line,
)
from tests.unit.warehouse.test_p2p import EVENING, RAIL, row, send

__all__ = ["house"]


def test_a_day_with_transfers_is_reconciled_settled_and_closed(house: House) -> None:
    books = Books(house.warehouse)
    paid = books.capture("bought", 10_000, noon(DAY))
    sent, denied = send(books, "sent", 500_00, noon(DAY)), send(books, "denied", 700, noon(DAY))
    send(books, "evening", 900, EVENING)
    settled = rail_file([rail_line(paid, 10_000, noon(DAY))], DAY)
    house.receive(settled.file_name, switch_file.render(settled))
    lines = [row(sent, 500_00, noon(DAY)), row(denied, 700, noon(DAY), status="FAILED")]
    extract = switch_file.extract(RAILS[RAIL], DAY, lines, cycle=7)
    house.receive(extract.file_name, switch_file.render_p2p(extract))
    statement = bank_file(NEXT_DAY, 5_000, credit(settled))
    house.receive(statement.file_name, camt.render(statement))
    house.clock.advance(timedelta(hours=1))

    # A credit is explained once the settlement that it is of was staged.
    for day in (DAY, NEXT_DAY, DAY):
        result = house.run(RECONCILE, day)
        assert result.success, checks(result)
        assert all(checks(result).values()), checks(result)
    result = house.run(GROUPS("settlement"), DAY)
    assert result.success, checks(result)
    assert all(checks(result).values()), checks(result)

    found = house.warehouse.rows("SELECT kind, reference FROM recon_breaks")
    assert found == [("status_mismatch", denied)]
    held = {a: n for a, n in house.online.balances().items() if a.startswith("suspense:") and n}
    assert held == {}
    (batch,) = house.online.batches.values()
    assert batch["gross"] == 10_000
    for line in list(house.online.posted.values()):
        legs = [(entry["account"], entry["amount"]) for entry in line["entries"]]
        books.post(line["kind"], line["cause"], legs, noon(DAY))
    result = house.run(AssetSelection.assets("mart_trial_balance"), DAY)
    assert result.success, checks(result)
    assert all(checks(result).values()), checks(result)
