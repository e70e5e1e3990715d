"""The back-test of a labelled log: through its door, on a small log, and on a large one beside."""

import json
import os
import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec
import polars as pl
import pytest

from models.__main__ import main
from models.fraud.backtest import PARAMS, Days, Fold, backtest

BESIDE = Path(__file__).parents[4] / "shared" / "fraud"


def at(*date_and_hour: int) -> datetime:
    return datetime(*date_and_hour, tzinfo=UTC)


START = at(2026, 3, 1)
DAYS = {"train-from": "2026-03-20", "train-to": "2026-03-29",
        "test-from": "2026-04-04", "test-to": "2026-04-08"}  # fmt: skip
FOLD = Fold(Days(date(2026, 3, 20), date(2026, 3, 29)), Days(date(2026, 4, 4), date(2026, 4, 8)))
MIDDLE = at(2026, 4, 6, 12)
FEW = msgspec.structs.replace(PARAMS, trees=12)


def made(seed: int = 1, number: int = 6_000, days: int = 39) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Some terminals go bad for a while, some cards pay much more than ever; labels come later."""
    rng = random.Random(seed)
    usual = {card: rng.uniform(2_000, 20_000) for card in range(80)}
    bad_from = {terminal: rng.uniform(-10, days + 30) for terminal in range(40)}
    sold, told = [], []
    for place in range(number):
        day = rng.uniform(0, days)
        card, terminal = rng.randrange(80), rng.randrange(40)
        amount = max(1, int(rng.gauss(usual[card], usual[card] / 3)))
        taken_over = rng.random() < 0.01
        fraud = taken_over or bad_from[terminal] < day < bad_from[terminal] + 12
        at = START + timedelta(days=day)
        sold.append((place, at, card, terminal, amount * (6 if taken_over else 1)))
        told.append((place, at + timedelta(days=rng.uniform(1, 5)), int(fraud)))
    names = ["transaction_id", "occurred_at", "customer_id", "terminal_id", "amount_minor"]
    return (
        pl.DataFrame(sold, schema=names, orient="row"),
        pl.DataFrame(told, schema=["transaction_id", "known_at", "fraud"], orient="row"),
    )


LOG = made()


def files(folder: Path, sold: pl.DataFrame, told: pl.DataFrame) -> tuple[Path, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    transactions, labels = folder / "transactions.parquet", folder / "labels.parquet"
    sold.write_parquet(transactions)
    told.write_parquet(labels)
    return transactions, labels


def scores(folder: Path, sold: pl.DataFrame, told: pl.DataFrame) -> pl.DataFrame:
    out = folder / "scores.parquet"
    backtest(*files(folder, sold, told), FOLD, out, params=FEW)
    return pl.read_parquet(out)


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> pl.DataFrame:
    """What every other run is compared with, and when each row of it happened."""
    return scores(tmp_path_factory.mktemp("plain"), *LOG).join(
        LOG[0].select("transaction_id", "occurred_at"), on="transaction_id", maintain_order="left"
    )


def arguments(transactions: Path, labels: Path, out: Path, **days: str) -> list[str]:
    given = {"transactions": transactions, "labels": labels, "out": out, **DAYS, **days}
    return ["backtest", *(str(x) for name, value in given.items() for x in (f"--{name}", value))]


def in_test(column: pl.Expr) -> pl.Expr:
    return (column >= at(2026, 4, 4)) & (column < at(2026, 4, 9))


def test_the_door_from_files_to_scores(tmp_path, capsys):
    out = tmp_path / "here" / "scores.parquet"
    assert main(arguments(*files(tmp_path, *LOG), out)) == 0
    printed = json.loads(capsys.readouterr().out)
    found = pl.read_parquet(out)
    asked = LOG[0].filter(in_test(pl.col("occurred_at")))
    assert found.columns == ["transaction_id", "score"]
    assert sorted(found["transaction_id"]) == sorted(asked["transaction_id"])
    assert found["score"].is_between(0, 1).all()
    assert printed["scored"] == len(asked) > printed["measured"] > 0
    assert printed["auc"] > 0.6, "the small log is learnt from"
    week = printed["weeks"][0]
    for name in ("auc", "ap", "cp100"):
        assert week["measures"][name]["low"] <= printed[name] <= week["measures"][name]["high"]


def test_measures_are_those_of_the_protocol(tmp_path):
    """Average precision and card precision the slow way, from the files alone."""
    from sklearn.metrics import average_precision_score

    out = tmp_path / "scores.parquet"
    report = backtest(*files(tmp_path, *LOG), FOLD, out, params=FEW)
    rows = LOG[0].join(LOG[1], on="transaction_id").join(pl.read_parquet(out), on="transaction_id")
    since = (
        LOG[0]
        .join(LOG[1], on="transaction_id")
        .filter((pl.col("fraud") == 1) & (pl.col("occurred_at") >= at(2026, 3, 20)))
    )
    known = since.group_by("customer_id").agg(pl.col("known_at").min())
    rows = rows.join(known, on="customer_id", how="left", suffix="_first").filter(
        pl.col("known_at_first").is_null()
        | (pl.col("known_at_first") >= pl.col("occurred_at").dt.truncate("1d"))
    )
    assert report.measured == len(rows)
    assert report.ap == pytest.approx(average_precision_score(rows["fraud"], rows["score"]))
    caught: set[int] = set()
    shares = []
    for day in sorted(set(rows["occurred_at"].dt.date())):
        today = rows.filter(
            (pl.col("occurred_at").dt.date() == day) & ~pl.col("customer_id").is_in(list(caught))
        )
        cards = today.group_by("customer_id").agg(pl.col("score").max(), pl.col("fraud").max())
        top = cards.sort("score", descending=True).head(100).filter(pl.col("fraud") == 1)
        caught |= set(top["customer_id"])
        shares.append(len(top) / 100)
    assert report.cp100 == pytest.approx(sum(shares) / len(shares))


def test_order_of_the_files_and_threads_are_no_matter(tmp_path, plain, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    sold, told = (table.sample(fraction=1.0, shuffle=True, seed=3) for table in LOG)
    again = scores(tmp_path, sold, told)
    assert again.equals(plain.select("transaction_id", "score"))


def test_labels_that_become_known_later_change_no_earlier_score(tmp_path, plain):
    """Turned round, left out, or told once more: all before the middle is as it was."""
    sold, told = LOG
    after = pl.col("known_at") >= MIDDLE
    rest = told.filter(after)
    turned = rest.with_columns(fraud=1 - pl.col("fraud")).head(len(rest) // 2)
    invented = told.filter(~after).with_columns(
        fraud=1 - pl.col("fraud"), known_at=pl.lit(MIDDLE, pl.Datetime("us", "UTC"))
    )
    altered = pl.concat([told.filter(~after), turned, invented])
    again = scores(tmp_path, sold, altered)
    early = plain.filter(pl.col("occurred_at") <= MIDDLE).select("transaction_id", "score")
    late = plain.filter(pl.col("occurred_at") > MIDDLE).select("transaction_id", "score")
    ids = early["transaction_id"].implode()
    assert 0 < len(early) < len(again)
    assert again.filter(pl.col("transaction_id").is_in(ids)).equals(early)
    assert not again.filter(~pl.col("transaction_id").is_in(ids)).equals(late), "labels do count"


def test_every_label_counts_only_once_it_is_known(tmp_path, plain):
    """The label of each test transaction itself is turned round: no score moves by it."""
    sold, told = LOG
    tests = plain["transaction_id"].implode()
    newest = plain["occurred_at"].max()
    own = pl.col("transaction_id").is_in(tests) & (pl.col("known_at") > newest)
    altered = told.with_columns(
        fraud=pl.when(own).then(1 - pl.col("fraud")).otherwise(pl.col("fraud"))
    )
    assert not altered.equals(told)
    assert scores(tmp_path, sold, altered).equals(plain.select("transaction_id", "score"))


def test_later_transactions_change_no_earlier_score(tmp_path, plain):
    sold, told = LOG
    again = scores(tmp_path, sold.filter(pl.col("occurred_at") < MIDDLE), told)
    early = plain.filter(pl.col("occurred_at") < MIDDLE).select("transaction_id", "score")
    assert again.equals(early)


def test_weeks_before_are_tested_in_the_same_way(tmp_path, capsys):
    transactions, labels = files(tmp_path, *LOG)
    out = tmp_path / "scores.parquet"
    both = backtest(transactions, labels, FOLD, out, weeks=2, params=FEW)
    before = Fold(FOLD.train.earlier(7), FOLD.test.earlier(7))
    alone = backtest(transactions, labels, before, out, params=FEW)
    assert both.weeks[1] == alone.weeks[0]
    assert both.weeks[1].measures["ap"] == alone.weeks[0].measures["ap"]


def test_text_files_and_text_ids_are_read_too(tmp_path, plain):
    sold, told = LOG
    sold.write_csv(tmp_path / "t.csv")
    told.write_csv(tmp_path / "l.csv")
    out = tmp_path / "scores.csv"
    backtest(tmp_path / "t.csv", tmp_path / "l.csv", FOLD, out, params=FEW)
    assert pl.read_csv(out)["score"].to_list() == plain["score"].to_list()


@pytest.mark.parametrize("zone", [None, "Asia/Kolkata"])
def test_times_without_a_zone_are_utc_and_others_instants(tmp_path, plain, zone):
    sold, told = LOG
    column = pl.col("occurred_at")
    as_written = (
        column.dt.replace_time_zone(None) if zone is None else column.dt.convert_time_zone(zone)
    )
    again = scores(tmp_path, sold.with_columns(as_written), told)
    assert again.equals(plain.select("transaction_id", "score"))


def broken(column: str, value: pl.Expr) -> pl.DataFrame:
    return (LOG[0] if column in LOG[0].columns else LOG[1]).with_columns(value.alias(column))


@pytest.mark.parametrize(
    ("sold", "told", "said"),
    [
        (LOG[0].drop("terminal_id"), None, ("transactions.parquet", "terminal_id")),
        (None, LOG[1].drop("known_at"), ("labels.parquet", "known_at")),
        (LOG[0].cast({"amount_minor": pl.Float64}), None, ("amount_minor", "DOUBLE")),
        (LOG[0].cast({"occurred_at": pl.Date}), None, ("occurred_at", "DATE")),
        (None, LOG[1].cast({"fraud": pl.String}), ("labels.parquet", "fraud", "VARCHAR")),
        (None, broken("fraud", pl.lit(2)), ("labels.parquet", "fraud")),
        (broken("amount_minor", pl.lit(-1)), None, ("transactions.parquet", "amount_minor")),
        (broken("customer_id", pl.lit(None, pl.Int64)), None, ("customer_id", "null")),
        (pl.concat([LOG[0], LOG[0].head(1)]), None, ("transactions.parquet", "transaction_id")),
        (None, LOG[1].cast({"transaction_id": pl.String}), ("labels.parquet", "transaction_id")),
        (None, broken("fraud", pl.lit(0)), ("training", "2026-03-20", "fraud")),
        (None, LOG[1].clear(), ("training", "2026-03-20")),
        (LOG[0].filter(pl.col("occurred_at") > at(2026, 4, 1)), None, ("training", "no ")),
        (LOG[0].filter(pl.col("occurred_at") < at(2026, 4, 1)), None, ("test", "no ")),
    ],
)
def test_what_is_not_such_a_log_is_refused_in_one_line(tmp_path, capsys, sold, told, said):
    tables = (LOG[0] if sold is None else sold, LOG[1] if told is None else told)
    out = tmp_path / "scores.parquet"
    assert main(arguments(*files(tmp_path, *tables), out)) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1
    for word in said:
        assert word in printed.err
    assert not out.exists()


@pytest.mark.parametrize(
    ("days", "said"),
    [
        ({"train-to": "2026-04-04"}, "2026-04-04"),
        ({"test-to": "2026-04-03"}, "end before they begin"),
        ({"train-to": "2026-03-19"}, "end before they begin"),
    ],
)
def test_days_that_cannot_be_are_refused(tmp_path, capsys, days, said):
    assert main(arguments(*files(tmp_path, *LOG), tmp_path / "s.parquet", **days)) == 2
    assert said in capsys.readouterr().err


def test_files_that_cannot_be_read_are_refused(tmp_path, capsys):
    transactions, labels = files(tmp_path, *LOG)
    assert main(arguments(tmp_path / "none.parquet", labels, tmp_path / "s.parquet")) == 2
    assert "none.parquet" in capsys.readouterr().err
    labels.write_bytes(b"PAR1 and then nothing")
    assert main(arguments(transactions, labels, tmp_path / "s.parquet")) == 2
    printed = capsys.readouterr().err
    assert "labels.parquet" in printed
    assert len(printed.splitlines()) == 1
    assert main(arguments(*files(tmp_path, *LOG), tmp_path)) == 2
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(not BESIDE.is_dir(), reason="the large labelled log is not beside the project")
def test_a_large_log_is_learnt_from(tmp_path):
    """1.3 million card transactions: what is published of them is at most 0.687 and 0.305."""
    week = Fold(
        Days(date(2018, 7, 25), date(2018, 7, 31)), Days(date(2018, 8, 8), date(2018, 8, 14))
    )
    files = BESIDE / "transactions.parquet", BESIDE / "labels.parquet"
    report = backtest(*files, week, tmp_path / "scores.parquet")
    assert (report.scored, report.measured) == (67_080, 58_264)
    assert report.ap >= 0.74
    assert report.cp100 >= 0.295
