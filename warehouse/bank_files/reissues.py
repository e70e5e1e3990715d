"""Files that speak of the same thing: what counts when a settlement or a bank day comes twice.

Belongs here: deciding between the file just stored and those before it. Does not: storing it
(`load.py`).

A file is taken apart into subjects: a rail's settlement, or one day of a bank account. Of a
settlement one file's rows count; of a bank day, those of one file, or of several pages. A file
that says a subject

- the same way as another is `repeated`: the first counts, and no row counts twice;
- another way is a re-issue: the one received last counts, but where both say when they were made,
  the one made last; rows that were superseded before do not come back (`outdated`).

A bank's day is a re-issue only where the statement says so (same days, and the same opening
balance or number) or where it has every line of the day and more. A day whose lines are partly
known and partly not could be anything: the file is refused.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from warehouse.bank_files.model import Problem
from warehouse.connection import Lake, sql_text

LIVE, SUPERSEDED, REPEATED, OUTDATED = "live", "superseded", "repeated", "outdated"


@dataclass(frozen=True, kw_only=True)
class _Rival:
    """A part of another file about the same subject, and how many rows both have."""

    file: str
    standing: str
    days: tuple[date, date]
    older: bool  # ours was made before it
    superseded_by: str
    ours: int
    theirs: int
    shared: int

    @property
    def same(self) -> bool:
        return self.ours == self.theirs == self.shared


@dataclass
class Verdict:
    """What the file just stored changes: parts by (file, subject), and what to tell."""

    standings: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    days: set[date] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    supersedes: list[str] = field(default_factory=list)

    def put_aside(self, file: str, subject: str, standing: str, by: str) -> None:
        """A part that no longer counts, because of another file."""
        self.standings[file, subject] = (standing, by)
        self.notes.append(f"{subject}: {file[:12]} is {standing}, {by[:12]} counts")


def settle(lake: Lake, digest: str, days: tuple[date, date]) -> Verdict:
    """Store the parts of a file that was just stored, and decide which parts count from now on.

    A verdict with problems has changed nothing but the parts: the caller rolls back.
    """
    older = lake.rows(
        "SELECT file_sha256, covers_from, covers_to FROM raw_bank_files WHERE subject IS NULL"
        " AND status = 'loaded' AND covers_from IS NOT NULL AND file_sha256 <> $digest",
        digest=digest,
    )
    # Files that were loaded before there were parts have them from the next load on.
    for file, first, last in [*older, (digest, *days)]:
        _store_parts(lake, file, first, last)
    verdict = Verdict()
    _settlements(digest, _rivals(lake, digest, "rail"), verdict)
    _bank_days(lake, digest, _rivals(lake, digest, "bank"), verdict)
    if verdict.standings and not verdict.problems:
        _store(lake, verdict)
    return verdict


def _store_parts(lake: Lake, digest: str, first: date, last: date) -> None:
    for kind in ("rail", "bank"):
        parts = sql_text(f"load_{kind}_parts")
        lake.execute(
            f"INSERT INTO raw_file_parts BY NAME {parts}", digest=digest, first=first, last=last
        )
    lake.execute(
        "UPDATE raw_bank_files SET subject = (SELECT coalesce(min(subject)"
        " || CASE WHEN count(*) > 1 THEN ' (+' || count(*) - 1 || ')' ELSE '' END, '')"
        " FROM raw_file_parts WHERE file_sha256 = $digest) WHERE file_sha256 = $digest",
        digest=digest,
    )


def _rivals(lake: Lake, digest: str, kind: str) -> dict[str, list[_Rival]]:
    found = [row for row in lake.query("load_rivals", digest=digest).rows() if row[1] == kind]
    if not found:
        return {}
    shared = {
        (str(subject), str(rival)): (int(ours), int(theirs), int(both))
        for subject, rival, ours, theirs, both in lake.query(
            f"load_{kind}_shared",
            digest=digest,
            rivals=sorted({str(row[2]) for row in found}),
            first=min(row[4] for row in found),
            last=max(row[5] for row in found),
        ).rows()
    }
    subjects: dict[str, list[_Rival]] = {}
    for subject, _, file, standing, day_from, day_to, older, by in found:
        ours, theirs, both = shared[subject, file]
        rival = _Rival(
            file=file,
            standing=standing,
            days=(day_from, day_to),
            older=bool(older),
            superseded_by=by or "",
            ours=ours,
            theirs=theirs,
            shared=both,
        )
        subjects.setdefault(subject, []).append(rival)
    return subjects


def _settlements(digest: str, subjects: dict[str, list[_Rival]], verdict: Verdict) -> None:
    for subject, rivals in subjects.items():
        live = [rival for rival in rivals if rival.standing == LIVE]
        if not _known(digest, subject, rivals, live, verdict):
            _supersede(digest, subject, live, verdict)


def _known(
    digest: str, subject: str, rivals: list[_Rival], live: list[_Rival], verdict: Verdict
) -> bool:
    """Put our part aside if it is said already, or was said before something better."""
    same = [rival for rival in rivals if rival.same]
    by = live[-1].file if live else ""
    if any(rival in live for rival in same):
        verdict.put_aside(digest, subject, REPEATED, by)
    elif same or any(rival.older for rival in live):
        # A day that a correction took away has no live part: the correction counts.
        verdict.put_aside(digest, subject, OUTDATED, by or same[-1].superseded_by)
    else:
        return False
    return True


def _supersede(digest: str, subject: str, live: Iterable[_Rival], verdict: Verdict) -> None:
    for rival in live:
        verdict.put_aside(rival.file, subject, SUPERSEDED, digest)
        verdict.days.update(rival.days)
        if rival.file not in verdict.supersedes:
            verdict.supersedes.append(rival.file)


def _bank_days(
    lake: Lake, digest: str, subjects: dict[str, list[_Rival]], verdict: Verdict
) -> None:
    files = sorted({rival.file for rivals in subjects.values() for rival in rivals})
    pairs = lake.query("load_statement_pairs", digest=digest, rivals=files).rows()
    again, pages = set(), set()
    newer = {
        (subject[:-10], rival.file)
        for subject, rivals in subjects.items()
        for rival in rivals
        if rival.older
    }
    for account, currency, file, day_from, day_to, is_again, continues in pairs:
        holder = f"bank/{account}/{currency}/"
        if is_again and (holder, file) not in newer:
            again.add((holder, file))
            _supersede_lost_days(lake, digest, (holder, file, day_from, day_to), verdict)
        elif continues:
            pages.add((holder, file))
    for subject, rivals in subjects.items():
        holder = subject[:-10]
        live = [rival for rival in rivals if rival.standing == LIVE]
        if _known(digest, subject, rivals, live, verdict):
            continue
        if live:
            shared = sum(rival.shared for rival in live)
            whole = sum(rival.theirs for rival in live) == shared
            if whole or all((holder, rival.file) in again for rival in live):
                _supersede(digest, subject, live, verdict)
            elif live[0].ours == shared:
                verdict.put_aside(digest, subject, REPEATED, live[-1].file)
            elif shared or not all((holder, rival.file) in pages for rival in live):
                verdict.problems.append(_refused(subject, live, shared))


def _supersede_lost_days(
    lake: Lake, digest: str, statement: tuple[str, str, date, date], verdict: Verdict
) -> None:
    """Days of a statement that its re-issue has no line of any more."""
    holder, file, day_from, day_to = statement
    lost = lake.rows(
        "SELECT theirs.subject, theirs.day_from FROM raw_file_parts AS theirs"
        " LEFT JOIN raw_file_parts AS mine"
        " ON theirs.subject = mine.subject AND mine.file_sha256 = $digest"
        " WHERE theirs.file_sha256 = $file AND theirs.standing = 'live'"
        " AND starts_with(theirs.subject, $holder) AND mine.subject IS NULL"
        " AND theirs.day_from BETWEEN $day_from AND $day_to",
        digest=digest,
        file=file,
        holder=holder,
        day_from=day_from,
        day_to=day_to,
    )
    for subject, day in lost:
        verdict.put_aside(file, subject, SUPERSEDED, digest)
        verdict.days.add(day)
        if file not in verdict.supersedes:
            verdict.supersedes.append(file)


def _refused(subject: str, live: list[_Rival], shared: int) -> Problem:
    theirs = sum(rival.theirs for rival in live)
    return Problem(
        line=0,
        field="day",
        value=subject.removeprefix("bank/"),
        reason=f"{live[-1].file[:12]} has {theirs} lines of this day, this file {live[0].ours}, "
        f"and {shared} are the same: neither a re-issue nor the same lines",
    )


def _store(lake: Lake, verdict: Verdict) -> None:
    frame = pl.DataFrame(
        [
            {"file_sha256": file, "subject": subject, "standing": standing, "by_file": by}
            for (file, subject), (standing, by) in verdict.standings.items()
        ]
    )
    lake.connection.register("verdicts", frame.to_arrow())
    try:
        lake.execute(
            "UPDATE raw_file_parts AS part"
            " SET standing = verdicts.standing, superseded_by = verdicts.by_file FROM verdicts"
            " WHERE part.file_sha256 = verdicts.file_sha256 AND part.subject = verdicts.subject"
        )
    finally:
        lake.connection.unregister("verdicts")
    # A file of which nothing counts any more bears the name of the one that took its last part.
    for file in verdict.supersedes:
        lake.execute(
            "UPDATE raw_bank_files SET superseded_by = $by WHERE file_sha256 = $file"
            " AND NOT EXISTS (SELECT 1 FROM raw_file_parts"
            " WHERE file_sha256 = $file AND standing = 'live')",
            by=next(iter(by for (name, _), (_, by) in verdict.standings.items() if name == file)),
            file=file,
        )
