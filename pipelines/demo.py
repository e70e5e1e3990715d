"""`python -m pipelines demo`: a day of payments, settled and reconciled, from nothing.

Belongs here: the order of events and the clock. Does not: traffic (`demo_traffic`), judging
(`demo_report`), starting programs (`processes`). The demo uses public doors alone: the merchants'
API, the banks' files, Dagster's jobs.

    D 10:00        traffic over HTTP, and more of it at 13:00: two cycles of the UPI switches
    D+1 01:00      the banks close D; files, reconciliation, settlement, payouts
    D+2 01:00      the bank statement of D+1: rails' credits, payouts, money that nobody announced
    D+3 01:00      late rows; reconciliation again, statements
"""

import argparse
import asyncio
import importlib
import os
import shutil
import sys
import threading
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec

from online.kernel.clock import IST, SystemClock, business_date, write_offset
from pipelines import demo_proof, demo_report, demo_risk, processes
from pipelines.demo_report import Finding, Report
from pipelines.demo_steps import Steps
from pipelines.demo_traffic import Day, Shop, Taken, TrafficFailed, counts, read_orders
from pipelines.demo_trouble import go_back, with_disputed_cards
from pipelines.processes import CommandFailed, OnlineDev
from pipelines.resources import OnlineApi, Site, open_lake
from pipelines.runs import JobFailed, Runner, metadata_of
from pipelines.sensors import WORK_ID, report_work, runs_of
from warehouse.bank_days import load_bank_days

_MARK: Final = ".khata-demo"
_SEED: Final = 7
_HISTORY_DAYS: Final = 60
# Beside the sandbox's usual ones: a file cut short, one with a wrong UTR, a payer debited in vain.
_FAULTS: Final = {"partial_settlement_file": 1, "wrong_utr": 1, "debit_without_credit": 1}
_DAYS_AFTER: Final = 3  # the demo plays until D+3, which should not lie in the future


class DemoFailed(Exception):
    """The demo did not show what it is there to show."""


class Demo:
    """One run, from an empty folder to a report."""

    def __init__(self, *, data: Path, history: int, payments: int) -> None:
        self.data = data
        self.history = history
        self.payments = payments
        self.day = demo_day(business_date(SystemClock().now()))
        self.steps = Steps()
        self.about: dict[str, str] = {}
        self.shops: list[Shop] = []

    def run(self) -> int:
        """0 if every fault was found, none was invented, and the books hold; otherwise 1."""
        steps = self.steps
        with steps.step(f"A clean folder: {self.data}"):
            wipe(self.data)
        online = OnlineDev(self.data)
        try:
            with steps.step("Starting PostgreSQL, the banks and the service"):
                online.start()
                load_meanwhile()
                online.wait()
                self.about = online.about
            runner = Runner(self.data)
            try:
                return self._play(runner)
            finally:
                runner.close()
        finally:
            with steps.step("Stopping what was started"):
                online.stop()

    def _play(self, runner: Runner) -> int:
        self._seed_history()
        models = self._train(runner)
        taken = self._traffic(models)
        self._close_and_settle(runner)
        self._later_days(runner)
        with self.steps.step("Sealing the days"):
            self.steps.say(demo_proof.seal(runner, self._later(2)))
        statements = self._statements(runner)
        self._trace(runner)
        with self.steps.step("Replaying and watching what risk decided"):
            runner.run("watch_job", day=str(self.day))
        with self.steps.step("Verifying the books from the log alone"):
            verify = ["online", "verify-books", "--database", self.about["database_url"]]
            books = processes.last_json(processes.run(verify, data=self.data))
        return self._judge(taken, statements, books, models)

    # ── before the day ───────────────────────────────────────────────────────────────────

    def _seed_history(self) -> None:
        until = self.day - timedelta(days=1)
        with self.steps.step(
            f"Writing {self.history:,} payments of {_HISTORY_DAYS} days of history"
        ):
            arguments = [
                *("online", "seed-history", "--database", self.about["database_url"]),
                *("--data", str(self.data), "--payments", str(self.history)),
                *("--days", str(_HISTORY_DAYS), "--until", str(until), "--seed", str(_SEED)),
            ]
            seeded = processes.last_json(processes.run(arguments, data=self.data))
            self.shops = [msgspec.convert(shop, Shop) for shop in seeded["merchants"]]
            opening = {"bank": "hdfc", "amount_minor": seeded["opening_bank_minor"]}
            self._banks("opening", opening)
            self._banks("faults", {"bank_day": self.day.isoformat(), "seed": _SEED, **_FAULTS})
            self.steps.say(f"{len(self.shops)} merchants, {seeded['labels']} disputes as labels")

    def _train(self, runner: Runner) -> demo_risk.Models:
        with self.steps.step("Copying the log into the warehouse; training and judging models"):
            models = demo_risk.train(runner, self.steps, history=self.history)
            demo_risk.wait_until_used(self.about["metrics_url"], models)
        return models

    # ── the day ──────────────────────────────────────────────────────────────────────────

    def _traffic(self, models: demo_risk.Models) -> list[Taken]:
        self._at(0, 10)
        with self.steps.step(f"{self.day} 10:00 and 13:00: {self.payments} payments over HTTP"):
            command = ["online.sandbox", "traffic", "--day", str(self.day)]
            size = ["--payments", str(self.payments), "--seed", str(_SEED)]
            orders = read_orders(processes.run([*command, *size], data=self.data))
            taken = asyncio.run(self._drive(orders, models))
            self.steps.say(", ".join(f"{name} {n}" for name, n in counts(taken).items()))
        return taken

    async def _drive(self, orders: list[Any], models: demo_risk.Models) -> list[Taken]:
        day = Day(self.about["base_url"], self.about["sandbox_url"], self.shops)
        try:
            name = f"demo-{self.day}"
            orders = with_disputed_cards(orders)
            noon = len(orders) // 2
            taken = await day.drive(orders[:noon], name=name)
            self._at(0, 13)
            taken += await day.drive(orders[noon:], name=name, first=noon)
            await go_back(day, taken, name=name)
            people = await day.between_people(max(7, len(orders) // 40), name=name)
            self.steps.say("between people: " + ", ".join(f"{n} {s}" for s, n in people.items()))
            probe = taken[-1]
            asked = await probe.till.expect(
                "POST", "/risk/assess", {"payment_id": probe.payment_id}
            )
        finally:
            await day.close()
        used = {(each.payment["risk"] or {}).get("model_version") for each in taken}
        if used != {models.version} or asked["model_version"] != models.version:
            raise DemoFailed(f"payments were scored by {used}, not by {models.version}")
        return taken

    # ── closing, settling, explaining ────────────────────────────────────────────────────

    def _close_and_settle(self, runner: Runner) -> None:
        day = self.day
        self._at(1, 1)
        with self.steps.step(f"{self._later(1)} 01:00: the banks close {day}; reconciling"):
            self._files_of(day, runner)
            self._reconcile(runner, [day])
        with self.steps.step(f"Settling {day}: batches to online, payouts to merchants"):
            runner.run("settle_job", day=str(day))
            runner.run("books_job", day=str(day))

    def _later_days(self, runner: Runner) -> None:
        day = self.day
        self._at(2, 1)
        with self.steps.step(f"{self._later(2)} 01:00: the bank statement of {self._later(1)}"):
            self._files_of(self._later(1), runner)
            self._reconcile(runner, [self._later(1), day])
        self._at(3, 1)
        with self.steps.step(f"{self._later(3)} 01:00: late rows; reconciling again"):
            self._files_of(self._later(2), runner)
            self._reconcile(runner, [self._later(2), self._later(1), day])
        with self.steps.step("The books at the end of each day"):
            for later in range(_DAYS_AFTER):
                runner.run("books_job", day=str(self._later(later)))

    def _files_of(self, bank_day: date, runner: Runner) -> None:
        inbox = Site.of(self.data).folders.inbox
        found = self._banks("close-day", {"bank_day": str(bank_day), "inbox": str(inbox)})
        self.steps.say("files: " + ", ".join(Path(name).name for name in found["files"]))
        runner.run("bank_files_job")

    def _reconcile(self, runner: Runner, newest_first: list[date]) -> None:
        """A late day is explained by the files of newer ones: these are staged first."""
        for place, day in enumerate(newest_first):
            job = "reconcile_job" if place else "day_close_job"
            result = runner.run(job, day=str(day))
            about = metadata_of(result, "recon_breaks")
            opened, closed = about["opened_by_this_run"], about["closed_by_this_run"]
            if about["dagster/row_count"] or opened or closed:
                self.steps.say(
                    f"{day}: {about['dagster/row_count']} breaks, {opened} opened, {closed} closed"
                )

    def _statements(self, runner: Runner) -> list[str]:
        """Asked for by each merchant over the API, taken up as the sensor does."""
        with self.steps.step("Statements: asked for by merchants, rendered, published"):
            asyncio.run(self._ask_for_statements())
            api = OnlineApi(Site.of(self.data))
            try:
                claim = {"kinds": ["statement"], "limit": 100}
                requests = list(runs_of(api.send("work/claim", claim)["items"]))
                for request in requests:
                    assert request.job_name is not None
                    done = runner.run(
                        request.job_name, config=request.run_config, tags=request.tags
                    )
                    work = request.tags[WORK_ID]
                    report_work(api, work, state="done", run_id=done.run_id)
            finally:
                api.close()
        paths = [
            str(path)
            for path in sorted(Site.of(self.data).folders.statements.glob("mrc_*/*"))
            if path.suffix in {".pdf", ".csv", ".json"}
        ]
        if not paths:
            raise DemoFailed("no statement was made")
        with self.steps.step("Checking a statement pack, as its merchant would"):
            folder = Site.of(self.data).folders.statements
            self.steps.say(demo_proof.check_pack(folder, self.about["base_url"]))
        return paths

    def _trace(self, runner: Runner) -> None:
        with self.steps.step("Linking each attempt to rail rows, bank lines and settlements"):
            for later in range(_DAYS_AFTER):
                day = str(self._later(later))
                sent = metadata_of(runner.run("traces_job", day=day), "trace_links_sent")
                if sent["lines"]:
                    self.steps.say(f"{day}: {sent['lines']} links")

    async def _ask_for_statements(self) -> None:
        with open_lake(Site.of(self.data)) as lake:
            settled = set(demo_report.merchants_settled(lake, self.day))
        day = Day(self.about["base_url"], self.about["sandbox_url"], self.shops)
        try:
            period = {"start_date": str(self.day), "end_date": str(self._later(2))}
            found = [shop for shop in self.shops if shop.merchant_id in settled]
            for shop in found:
                await day.ask_for_statements(shop, period)
            for shop in found[:1]:
                await day.ask_for_statements(shop, period, ("pack",))
        finally:
            await day.close()

    # ── the end ──────────────────────────────────────────────────────────────────────────

    def _judge(
        self,
        taken: list[Taken],
        statements: list[str],
        books: dict[str, Any],
        models: demo_risk.Models,
    ) -> int:
        days = [self._later(later) for later in range(_DAYS_AFTER)]
        with open_lake(Site.of(self.data)) as lake:
            finding = demo_report.breaks_found(lake, days, self.data / "sandbox" / "truth.json")
            report = Report(
                payments=counts(taken),
                ledger=demo_report.ledger_totals(lake),
                breaks=finding.by_kind(),
                explained=finding.explained_by_kind(),
                settlements=demo_report.settlements(lake, self.day),
                statements=statements,
                model=models,
                risk=demo_risk.found(
                    lake, self.day, demo_risk.detections(self.about["metrics_url"])
                ),
                elapsed_s=self.steps.elapsed_s,
            )
        path = self.data / "report.json"
        demo_report.write(report, path)
        print(f"\n{demo_report.summary(report, finding, books)}\n")
        print(f"Report       {path}\nRuns         DAGSTER_HOME={self.data / 'dagster'}\n")
        for title, took in self.steps.took.items():
            print(f"  {took:6.1f} s  {title}")
        return _verdict(finding, report)

    # ── small things ─────────────────────────────────────────────────────────────────────

    def _later(self, days: int) -> date:
        return self.day + timedelta(days=days)

    def _at(self, days: int, hour: int) -> None:
        """Moves the test clock, which every process of the sandbox reads at once."""
        target = datetime.combine(self._later(days), time_of_day(hour), IST)
        write_offset(Path(self.about["clock_file"]), target)

    def _banks(self, action: str, body: dict[str, Any]) -> dict[str, Any]:
        """A call to the sandbox banks' own controls."""
        response = httpx.post(f"{self.about['sandbox_url']}/admin/{action}", json=body, timeout=60)
        if not response.is_success:
            raise DemoFailed(f"the banks refused {action}: {response.text}")
        found: dict[str, Any] = response.json()
        return found


def _verdict(finding: Finding, report: Report) -> int:
    problems = []
    if not finding.exact:
        problems.append(
            f"{len(finding.missed)} faults missed, {len(finding.invented)} breaks invented"
        )
    if not finding.injected:
        problems.append("the banks injected no fault: nothing was proved")
    if report.ledger["sum_minor"] != 0:
        problems.append("the ledger does not sum to zero")
    if report.payments["unknown"]:
        problems.append(f"{report.payments['unknown']} payments were never resolved")
    if report.risk.replayed_otherwise or not report.risk.replayed:
        problems.append(f"{report.risk.replayed} decisions of risk were replayed as they were made")
    for problem in problems:
        print(f"FAILED: {problem}", file=sys.stderr)
    if not problems:
        print(f"\nEvery fault found, none invented, books verified: {report.elapsed_s:.0f} s")
    return 1 if problems else 0


def demo_day(today: date) -> date:
    """The last Monday that is three days past: a banking week ahead of it, and no future."""
    latest = today - timedelta(days=_DAYS_AFTER)
    monday = latest - timedelta(days=latest.weekday())
    bank_days = load_bank_days()
    while not all(
        bank_days.is_bank_day(monday + timedelta(days=n)) for n in range(_DAYS_AFTER + 1)
    ):
        monday -= timedelta(days=7)
    return monday


def load_meanwhile() -> None:
    """Import what takes seconds while others start; whoever needs it first waits for it."""
    names = ("great_expectations", "sklearn.ensemble", "skl2onnx", "mlflow.sklearn")

    def load() -> None:
        for name in names:
            importlib.import_module(name)

    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    threading.Thread(target=load, name="imports", daemon=True).start()


def wipe(data: Path) -> None:
    """Remove what an earlier demo wrote; a folder with anything else is left alone."""
    if data.exists() and any(data.iterdir()):
        if not (data / _MARK).exists():
            raise DemoFailed(f"{data} holds something that is not a demo's: name another --data")
        processes.stop_left_over(data)
        shutil.rmtree(data)
    data.mkdir(parents=True, exist_ok=True)
    (data / _MARK).touch()


def main(arguments: argparse.Namespace) -> int:
    """Run the demo; say plainly what went wrong."""
    demo = Demo(
        data=Path(arguments.data).absolute(),
        history=arguments.history,
        payments=arguments.payments,
    )
    try:
        return demo.run()
    except (DemoFailed, CommandFailed, JobFailed, TrafficFailed, httpx.HTTPError) as error:
        print(f"FAILED after {demo.steps.elapsed_s:.0f} s: {error!s}", file=sys.stderr)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except ExceptionGroup as group:
        for each in group.exceptions:
            print(f"FAILED after {demo.steps.elapsed_s:.0f} s: {each!r}", file=sys.stderr)
    return 1
