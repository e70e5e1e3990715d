"""The two tables, whole: which move each status of a mandate and of an execution allows."""

from online.mandates.domain import TERMINAL, TRANSITIONS, Status
from online.mandates.executions import AT_RAIL, DUE
from online.mandates.executions import TERMINAL as EXECUTION_TERMINAL
from online.mandates.executions import TRANSITIONS as EXECUTION_TRANSITIONS
from online.mandates.executions import Status as ExecutionStatus
from tests.unit.machines import as_rows, reachable, without_exit

ENDS = {"completed": "completed", "expired": "expired"}
MANDATE = {
    "nothing": {"created": "created"},
    "created": {
        "requested": "created",
        "pending": "pending",
        "activated": "active",
        "failed": "failed",
    },
    "pending": {
        "pending": "pending",
        "activated": "active",
        "failed": "failed",
        "revoked": "revoked",
    },
    "active": {
        "paused": "paused",
        "revoked": "revoked",
        "scheduled": "active",
        "skipped": "active",
        **ENDS,
    },
    "paused": {"resumed": "active", "revoked": "revoked", **ENDS},
    # A payer's late yes is revoked at once.
    "failed": {"revoked": "revoked"},
    "revoked": {
        "revocation_sent": "revoked",
        "revocation_told": "revoked",
        "revocation_delayed": "revoked",
    },
}

TRIED = {
    "requires_action": "requires_action",
    "unknown": "unknown",
    "try_failed": "retrying",
    "succeeded": "succeeded",
    "failed": "failed",
}
DUE_ROW = {
    "tried": "processing",
    "try_failed": "retrying",
    "failed": "failed",
    "canceled": "canceled",
}
EXECUTION = {
    "nothing": {"scheduled": "scheduled"},
    "scheduled": {
        "notice_delayed": "scheduled",
        "notice_sent": "notified",
        "canceled": "canceled",
    },
    "notified": {**DUE_ROW, "put_off": "notified"},
    "retrying": {**DUE_ROW, "put_off": "retrying"},
    "processing": TRIED,
    "requires_action": TRIED,
    "unknown": TRIED,
}


def test_a_mandate():
    assert as_rows(TRANSITIONS) == MANDATE
    assert reachable(TRANSITIONS) == set(Status)
    assert without_exit(TRANSITIONS, Status) == TERMINAL


def test_an_execution():
    assert as_rows(EXECUTION_TRANSITIONS) == EXECUTION
    assert reachable(EXECUTION_TRANSITIONS) == set(ExecutionStatus)
    assert without_exit(EXECUTION_TRANSITIONS, ExecutionStatus) == EXECUTION_TERMINAL


def test_nothing_is_tried_while_a_try_is_at_the_rail():
    """The only ways back to where a try may begin go through a failure that is known."""
    for (status, event), to in EXECUTION_TRANSITIONS.items():
        if status in AT_RAIL and to in DUE:
            assert event.TYPE == "mandate_execution.try_failed"
