"""A rail fails most of its calls: the others' payers notice nothing, its own are paid elsewhere."""

import asyncio

import pytest

from tests.e2e.dev import Dev
from tests.load import brownout

pytestmark = pytest.mark.e2e

SECONDS, RATE = 7, 20
# Both sides are measured in one run, against calls of the same moment that ask no rail.
NOISE = 2


@pytest.fixture(scope="module")
def phases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("brownout")
    with Dev(folder / "dev", brownout.SETTINGS) as dev:
        yield asyncio.run(brownout.measure(dev, SECONDS, RATE))


def test_nearly_every_payment_succeeds_while_another_route_is_healthy(phases):
    failing = phases["brownout"]
    assert failing.success >= 0.99, [each for each in failing.paid if each.status != "captured"]
    upi = [each for each in failing.paid if each.method == "upi"]
    assert {each.rail for each in upi} == {"upi_hdfc", "upi_icici"}  # both were used


def test_the_breaker_opens_within_its_window_and_closes_after_healing(phases):
    assert phases["healthy"].states[-1][1] == "closed"
    opened = phases["brownout"].reached("open")
    assert opened is not None
    assert opened <= brownout.WINDOW_S
    healed = phases["healed"]
    assert healed.states[-1][1] == "closed"
    assert healed.success >= 0.99


@pytest.mark.parametrize("name", ["brownout", "hangs"])
def test_payers_of_other_rails_notice_nothing(phases, name):
    """Half of them: a tail of a hundred payments is the machine's. Who had to wait for a place
    that the failing rail holds would wait for seconds."""
    calm = brownout.together(phases["healthy"], phases["healed"])
    now, usual = phases[name].card_multiple(0.5), calm.card_multiple(0.5)
    assert now <= NOISE * usual, f"{now:.1f} times the control instead of {usual:.1f}"


def test_a_rail_that_hangs_holds_no_more_than_its_own(phases):
    """Who was sent there before the breaker opened waits for its word; nobody else does."""
    hanging = phases["hangs"]
    assert hanging.reached("open") is not None
    cards = [each.status for each in hanging.paid if each.method == "card"]
    assert set(cards) == {"captured"}
    assert {each.status for each in hanging.paid} <= {"captured", "unknown"}
