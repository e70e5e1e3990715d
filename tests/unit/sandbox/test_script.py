"""Fault scripts: what they choose, the same for the same call, and how they are refused."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import msgspec
import pytest

from online.kernel.errors import InvalidRequest
from online.sandbox import script_store
from online.sandbox.behaviour import BEHAVIOURS
from online.sandbox.rails import RAILS
from online.sandbox.script import Call, Choice, Latency, Script, choose, read_rail, read_script
from tests.unit.sandbox.banking import MORNING, Desk, answered, upi

ROOT = Path(__file__).parents[3]
UPI, CARD = RAILS["upi_hdfc"], RAILS["card_a"]
HALF = b"rails: {upi_hdfc: {mix: {technical_decline: 0.25, lost: 0.25}}}"


def call(reference: str, name: str = "authorize", **changes: object) -> Call:
    usual = {"seed": 7, "rail": UPI, "name": name, "reference": reference, "at": MORNING}
    return Call(**{**usual, **changes})  # type: ignore[arg-type]


def test_the_same_calls_get_the_same_whatever_their_order() -> None:
    script = read_script(HALF)
    calls = [call(f"att_{number}", name) for number in range(500) for name in ("capture", "refund")]
    first = {(c.reference, c.name): choose(script, c) for c in calls}
    Random(1).shuffle(calls)
    assert {(c.reference, c.name): choose(read_script(HALF), c) for c in calls} == first
    other = {
        (c.reference, c.name): choose(script, msgspec.structs.replace(c, seed=8)) for c in calls
    }
    assert other != first


def test_shares_are_what_they_say() -> None:
    script = read_script(HALF)
    chosen = [choose(script, call(f"att_{number}")).outcome for number in range(4_000)]
    failed = sum(o == BEHAVIOURS["technical_decline"].upi for o in chosen)
    lost = sum(o == BEHAVIOURS["lost"].upi for o in chosen)
    assert 900 < failed < 1_100
    assert 900 < lost < 1_100
    assert chosen.count(None) == 4_000 - failed - lost


def test_an_operation_may_have_a_mix_of_its_own() -> None:
    script = read_script(b"rails: {'*': {mix: {lost: 1, refund: {decline: 1}, void: {}}}}")
    assert choose(script, call("att_1")).outcome == BEHAVIOURS["lost"].upi
    assert choose(script, call("att_1", "refund")).outcome == BEHAVIOURS["decline"].upi_after
    assert choose(script, call("att_1", "void")).outcome is None
    assert choose(script, call("att_1", "enquire")) == Choice()


def test_a_rail_of_its_own_has_nothing_of_the_others() -> None:
    script = read_script(b"rails: {'*': {mix: {lost: 1}}, card_a: {mix: {decline: 1}}}")
    assert choose(script, call("att_1")).outcome == BEHAVIOURS["lost"].upi
    assert choose(script, call("att_1", rail=CARD)).outcome == BEHAVIOURS["decline"].card


def test_a_window_holds_from_when_it_was_set() -> None:
    text = b"""
    rails:
      upi_hdfc:
        latency_ms: {fixed: 10}
        windows: [{from_s: 60, to_s: 120, mix: {technical_decline: 1}, latency_ms: {fixed: 500}}]
    """
    script = read_script(text).since(MORNING)
    stored = msgspec.json.decode(msgspec.json.encode(script), type=Script)
    assert stored == script
    for after, fails in ((0, False), (59, False), (60, True), (119, True), (120, False)):
        choice = choose(stored, call("att_1", at=MORNING + timedelta(seconds=after)))
        assert (choice.outcome is not None, choice.latency_s) == (fails, 0.5 if fails else 0.01)
    by_instants = read_rail(
        b"windows: [{from: '2026-11-16T10:00:00Z', to: '2026-11-16T11:00:00Z', mix: {lost: 1}}]"
    )
    assert by_instants.window(datetime(2026, 11, 16, 10, 30, tzinfo=UTC)) is not None
    assert by_instants.since(MORNING) == by_instants


def test_latency_goes_through_its_two_quantiles() -> None:
    latency = Latency(p50=40, p95=180)
    drawn = sorted(latency.at((number + 0.5) / 10_000) for number in range(10_000))
    assert 39.9 < drawn[5_000] < 40.1
    assert 179 < drawn[9_500] < 181
    assert Latency(p50=40, p95=40).at(0.99) == 40
    assert latency.at(1 - 1e-12) <= 60_000


def test_how_many_enquiries_fail_is_the_scripts() -> None:
    script = read_script(b"rails: {'*': {mix: {enquiry_fails: 1}, failing_enquiries: 5}}")
    outcome = choose(script, call("att_1")).outcome
    assert outcome is not None
    assert outcome.failing_enquiries == 5


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (b"rails: {upi_hdfc: {mix: {lots: 0.1}}}", "rails.upi_hdfc.mix.lots"),
        (b"rails: {upi_hdfc: {mix: {lost: 1.1}}}", "rails.upi_hdfc.mix.lost"),
        (b"rails: {upi_hdfc: {mix: {lost: yes}}}", "rails.upi_hdfc.mix.lost"),
        (b"rails: {upi_hdfc: {mix: {lost: .nan}}}", "rails.upi_hdfc.mix.lost"),
        (b"rails: {upi_hdfc: {mix: {lost: 0.6, decline: 0.6}}}", "rails.upi_hdfc.mix"),
        (b"rails: {upi_hdfc: {mix: {refund: {lost: 2}}}}", "rails.upi_hdfc.mix.refund.lost"),
        (b"rails: {upi_hdfc: {mix: {refund: {void: {}}}}}", "rails.upi_hdfc.mix.refund.void"),
        (b"rails: {upi_hdfc: {mixx: {}}}", "rails.upi_hdfc.mixx"),
        (b"rails: {nobody: {}}", "rails.nobody"),
        (b"rails: {upi_hdfc: {latency_ms: {p50: 5}}}", "rails.upi_hdfc.latency_ms"),
        (b"rails: {upi_hdfc: {latency_ms: {p50: 9, p95: 5}}}", "rails.upi_hdfc.latency_ms"),
        (b"rails: {upi_hdfc: {latency_ms: {fixed: -1}}}", "rails.upi_hdfc.latency_ms.fixed"),
        (b"rails: {upi_hdfc: {windows: [{from_s: 1}]}}", "rails.upi_hdfc.windows[0]"),
        (b"rails: {upi_hdfc: {windows: [{from_s: 2, to_s: 1}]}}", "rails.upi_hdfc.windows[0]"),
        (
            b"rails: {upi_hdfc: {windows: [{from_s: 1, to_s: 2, mix: {x: 1}}]}}",
            "rails.upi_hdfc.windows[0].mix.x",
        ),
        (b"rails: 3", "rails"),
        (b"rails: {upi_hdfc: 3}", "rails.upi_hdfc"),
        (b"files: {upi_hdfc: {wrong_utr: -1}}", "files.upi_hdfc.wrong_utr"),
        (b"seed: x", "seed"),
        (b"speed: 1", "speed"),
        (b"[1, 2]", None),
        (b"{", None),
        (b"\xff\xfe\x00", None),
        (b"a: &a [*a]", "a"),
    ],
)
def test_what_cannot_be_is_refused_by_its_field(text: bytes, field: str | None) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_script(text)
    assert refused.value.param == field


def test_nothing_is_an_ordinary_script() -> None:
    assert read_script(b"") == Script()
    assert choose(Script(), call("att_1")) == Choice()


def test_the_example_can_be_read_and_kept() -> None:
    script = read_script((ROOT / "config" / "sandbox_faults.yaml").read_bytes())
    assert script.rails["upi_hdfc"].windows
    assert script.files["upi_hdfc"].wrong_utr == 1
    desk = Desk()
    script_store.keep(desk.db, script.since(MORNING), seed=7, source="first")
    assert script_store.load(desk.db) == script.since(MORNING)
    script_store.keep(desk.db, Script(), seed=7)
    assert (script_store.load(desk.db), script_store.source(desk.db)) == (Script(), "first")


def test_a_magic_value_counts_before_the_script() -> None:
    desk = Desk()
    no = BEHAVIOURS["decline"].upi
    answer = answered(desk.send("upi_hdfc", "authorize", 5_000, upi=upi("asha@ybl"), scripted=no))
    assert answer.status == "declined"
    asked = desk.send("upi_hdfc", "authorize", 5_000, upi=upi("success@khata"), scripted=no)
    assert answered(asked).status == "approved"
    asked = desk.send("upi_hdfc", "authorize", 110_001, upi=upi("asha@ybl"), scripted=no)
    assert answered(asked).status == "approved"
