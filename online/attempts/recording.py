"""The second commit of an operation at a rail, whoever ordered it.

An answer comes by the call itself, by an enquiry, by the rail's own word; they may cross. Whoever
records the end first wins; the others answer with what is there. An enquiry may have recorded
"not known yet" while the call was hanging: its answer still counts.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from online.attempts.domain import Attempt, is_news
from online.attempts.service import Answered, Attempts
from online.kernel.errors import IllegalMove, VersionConflict
from online.kernel.events import Metadata
from online.ledger.change import Change
from online.ledger.writer import Writer
from online.platform.db import Database

S = TypeVar("S")


class Recorder:
    """Records how attempts ended, each together with what that means for its order."""

    def __init__(self, database: Database, writer: Writer, attempts: Attempts) -> None:
        self._database = database
        self._writer = writer
        self._attempts = attempts

    async def record(
        self,
        attempt: Attempt,
        answered: Answered,
        metadata: Metadata,
        *,
        read: Callable[[], Awaitable[S]],
        decide: Callable[[S, Attempt, Answered], tuple[Change, S]],
        state: S,
    ) -> S:
        """`decide` says what an answer does to what was ordered, `read` what that is by now. What
        another has recorded meanwhile may leave no move: that is a conflict like any other."""
        while True:
            try:
                change, after = decide(state, attempt, answered)
                await self._writer.submit(change)
            except (VersionConflict, IllegalMove) as conflict:
                async with self._database.connection() as connection:
                    found = await self._attempts.get(connection, attempt.id)
                state = await read()
                unmoved = found is not None and found.version == attempt.version
                if found is None or (unmoved and isinstance(conflict, IllegalMove)):
                    raise
                if not unmoved:
                    if not (answered.outcome.is_final and is_news(found, answered.outcome)):
                        return state
                    attempt = found
                    answered = self._attempts.again(attempt, answered, metadata)
            else:
                return after
