"""Every move of a simulation, with its weight.

A new operation of the service is a new method of a group, and a line here. A method answers False
where there is nothing to do it with.
"""

from tests.simulation.moves_beyond import Beyond
from tests.simulation.moves_disputing import Disputing
from tests.simulation.moves_late import Contradicting
from tests.simulation.moves_selling import Selling
from tests.simulation.workload import Move, Workload


def of(workload: Workload) -> dict[str, tuple[int, Move]]:
    """Every move by name, with its weight."""
    selling, beyond, disputing = Selling(workload), Beyond(workload), Disputing(workload)
    contradicting = Contradicting(workload)
    return {
        "pay": (16, selling.pay),
        "capture": (14, selling.capture),
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
        "minutes pass": (3, beyond.minutes_pass),
        "a day passes": (1, beyond.a_day_passes),
    }
