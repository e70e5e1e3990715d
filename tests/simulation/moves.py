"""Every move of a simulation, with its weight.

A new operation of the service is a new method of a group, and a line here. A method answers False
where there is nothing to do it with.
"""

from tests.simulation.moves_beyond import Beyond
from tests.simulation.moves_deemed import Deeming
from tests.simulation.moves_delegated import Lending
from tests.simulation.moves_disputing import Disputing
from tests.simulation.moves_escrows import Escrowing
from tests.simulation.moves_holds import Holding
from tests.simulation.moves_late import Contradicting
from tests.simulation.moves_limits import Limiting
from tests.simulation.moves_mandates import Debiting
from tests.simulation.moves_payouts import Paying
from tests.simulation.moves_transfers import Sending
from tests.simulation.moves_wallets import Keeping
from tests.simulation.workload import Move, Workload


def of(workload: Workload) -> dict[str, tuple[int, Move]]:
    """Every move by name, with its weight."""
    selling, beyond, disputing = Deeming(workload), Beyond(workload), Disputing(workload)
    contradicting, debiting = Contradicting(workload), Debiting(workload)
    sending = Sending(workload)
    keeping = Keeping(workload)
    limiting, lending = Limiting(workload), Lending(workload)
    holding, escrowing = Holding(workload), Escrowing(workload)
    return {
        "pay": (16, selling.pay),
        "ask headroom": (2, limiting.ask_headroom),
        "pay headroom": (2, limiting.pay_headroom),
        "pay, deemed": (5, selling.pay_deemed),
        "capture": (14, selling.capture),
        "make a handle": (2, lending.make_handle),
        "pay by a handle": (6, lending.pay_by_handle),
        "revoke a handle": (1, lending.revoke_handle),
        "delegate": (2, lending.delegate),
        "pay for somebody": (6, lending.pay_delegated),
        "stop a delegation": (1, lending.stop_delegation),
        "place a hold": (5, holding.place),
        "release a part": (6, holding.release),
        "extend a hold": (3, holding.extend),
        "fund an escrow": (3, escrowing.fund),
        "approve an escrow": (2, escrowing.approve),
        "release an escrow": (5, escrowing.release),
        "take back from an escrow": (2, escrowing.take_back),
        "freeze an escrow": (1, escrowing.freeze),
        "resolve an escrow": (2, escrowing.resolve),
        "cancel": (5, selling.cancel),
        "reverse": (4, selling.reverse),
        "refund": (14, selling.refund),
        "create intent": (4, selling.create_intent),
        "confirm intent": (6, selling.confirm_intent),
        "cancel intent": (3, selling.cancel_intent),
        "update intent": (2, selling.update_intent),
        "again": (8, selling.again),
        "reuse a key": (1, selling.reuse_key),
        "let go": (5, beyond.let_go),
        "die": (3, beyond.die),
        "act": (6, beyond.act),
        "call back": (5, beyond.call_back),
        "recover": (6, beyond.recover),
        "expire": (2, beyond.expire),
        "turn": (5, contradicting.turn),
        "give back": (4, contradicting.give_back),
        "open dispute": (3, disputing.open),
        "decide dispute": (3, disputing.decide),
        "answer dispute": (2, disputing.answer),
        "tell old news": (1, disputing.tell_old_news),
        "settle": (3, beyond.settle),
        "settle wrongly": (1, beyond.settle_wrongly),
        **_paying_out(workload),
        "send": (8, sending.send),
        "call off": (3, sending.call_off),
        "look at a transfer": (2, sending.look),
        "load": (6, keeping.load),
        "pay from a wallet": (8, keeping.spend),
        "refund into a wallet": (4, keeping.refund),
        "reverse into a wallet": (2, keeping.reverse),
        "close a wallet": (1, keeping.close),
        "give back loads": (3, keeping.give_back),
        "look at a wallet": (2, keeping.look),
        "ask for a mandate": (3, debiting.ask),
        "debit": (6, debiting.debit),
        "stop a mandate": (1, debiting.stop),
        "do what is due": (8, debiting.work),
        "minutes pass": (3, beyond.minutes_pass),
        "a day passes": (1, beyond.a_day_passes),
    }


def _paying_out(workload: Workload) -> dict[str, tuple[int, Move]]:
    paying = Paying(workload)
    return {
        "name a beneficiary": (3, paying.name),
        "verify a beneficiary": (1, paying.verify),
        "change a beneficiary": (1, paying.change),
        "pay out": (6, paying.pay),
        "pay out again": (2, paying.again),
        "schedule a payout": (2, paying.schedule),
        "pay what is due": (3, paying.due),
        "send a payout back": (1, paying.send_back),
    }
