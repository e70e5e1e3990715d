"""`train`, `retrain`, `promote`, `rollback` and `show`: the life of a model version.

Belongs here: the commands. Does not: fitting, recording or deciding (`models.fraud`).
"""

import argparse
import getpass
import json
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from models.commands import arguments
from models.commands.arguments import Commands

if TYPE_CHECKING:
    from models.fraud.promotion import Served
    from models.fraud.registry import Change
    from warehouse.connection import Lake


def add(commands: Commands) -> None:
    """Describe them."""
    _add_train(commands)
    retrain = commands.add_parser(
        "retrain", help="fit a logged run again from its snapshot; 1 if a number differs"
    )
    arguments.records(retrain)
    arguments.lake(retrain)
    retrain.add_argument("--run", dest="run_id", required=True, help="id of the MLflow run")
    retrain.set_defaults(run=_retrain)
    promote = commands.add_parser("promote", help="hold a version to the gates; 1 if it fails")
    arguments.records(promote)
    arguments.lake(promote)
    _changing(promote, why="asked for by command")
    promote.add_argument("--version", required=True)
    promote.set_defaults(run=_promote)
    rollback = commands.add_parser("rollback", help="put the previous champion back in use")
    arguments.records(rollback)
    _changing(rollback, why=None)
    rollback.set_defaults(run=_rollback)
    show = commands.add_parser("show", help="all versions, and whether the files are the aliases'")
    arguments.records(show)
    show.add_argument("--repair", action="store_true", help="put the aliases' files in place")
    show.set_defaults(run=_show)


def _add_train(commands: Commands) -> None:
    train = commands.add_parser("train", help="train, record, and let it score in shadow")
    arguments.records(train)
    arguments.lake(train)
    _changing(train, why="trained by command")
    train.add_argument("--live", action="store_true", help="of live payments, not of test ones")
    train.add_argument("--train-days", type=int, help="default: as far back as there are payments")
    train.add_argument("--test-days", type=int, default=10)
    train.add_argument("--label-delay-days", type=int, default=10)
    train.add_argument("--algorithm", help="only this candidate")
    train.add_argument("--promote", action="store_true", help="promote it if it passes the gates")
    train.add_argument("--seed", type=int, default=7)
    train.set_defaults(run=_train)


def _changing(parser: argparse.ArgumentParser, *, why: str | None) -> None:
    parser.add_argument("--by", default=getpass.getuser(), help="who does it")
    parser.add_argument("--why", required=why is None, default=why, help="is recorded")


def _train(options: argparse.Namespace) -> int:
    from models.fraud.comparison import against_champion
    from models.fraud.dataset import build_dataset, latest_split
    from models.fraud.recording import record
    from models.fraud.registry import challenge
    from models.fraud.training import ALGORITHMS, TrainingParams, fit

    chosen = (options.algorithm,) if options.algorithm else ALGORITHMS
    params = msgspec.convert({"algorithm": chosen[0], "seed": options.seed}, TrainingParams)
    tracking = arguments.tracking(options)
    with arguments.open_lake(options) as lake:
        snapshot = lake.snapshot_id()
        with lake.at_version(snapshot) as past:
            split = latest_split(
                past.connection,
                livemode=options.live,
                train_days=options.train_days,
                test_days=options.test_days,
                label_delay=timedelta(days=options.label_delay_days),
            )
            dataset = build_dataset(
                past.connection, split, livemode=options.live, snapshot=str(snapshot)
            )
    trained = fit(dataset, params, chosen)
    recorded = record(trained, dataset, tracking, against_champion(trained, dataset, tracking))
    _print(recorded)
    version = recorded.version
    for gate in challenge(version, tracking, arguments.published(options), _change(options)):
        print(gate, file=sys.stderr)
    if not options.promote:
        return 0
    options.version = version
    return _promote(options)


def _retrain(options: argparse.Namespace) -> int:
    from models.fraud.retraining import CannotRetrain, retrain

    with arguments.open_lake(options) as lake:
        try:
            found = retrain(options.run_id, arguments.tracking(options), lake)
        except CannotRetrain as reason:
            print(reason, file=sys.stderr)
            return 1
    for difference in found.differences:
        print(f"differs: {difference}", file=sys.stderr)
    if found.libraries:
        print(f"then it was made with {found.libraries}", file=sys.stderr)
    print(
        f"run {found.run_id}, snapshot {found.snapshot}: of {found.compared} numbers and hashes"
        f" {len(found.differences)} differ" + ("; it is the same model" if found.equal else "")
    )
    return 0 if found.equal else 1


def _promote(options: argparse.Namespace) -> int:
    from models.fraud.registry import promote_version

    with arguments.open_lake(options) as lake:
        served = _served(lake, options.version)
    decision = promote_version(
        options.version,
        arguments.tracking(options),
        arguments.published(options),
        _change(options),
        served=served,
    )
    for gate in decision.gates:
        print(gate, file=sys.stderr)
    _print(decision)
    return 0 if decision.promote else 1


def _rollback(options: argparse.Namespace) -> int:
    from models.fraud.registry import NoWayBack, rollback

    try:
        gone, back = rollback(
            arguments.tracking(options), arguments.published(options), _change(options)
        )
    except NoWayBack as reason:
        print(reason, file=sys.stderr)
        return 1
    print(f"version {back} is champion again, version {gone} is not")
    return 0


def _show(options: argparse.Namespace) -> int:
    from models.fraud.registry import state, sync, versions

    tracking, published = arguments.tracking(options), arguments.published(options)
    if options.repair:
        sync(tracking, published)
    for row in versions(tracking):
        print(json.dumps(row))
    found = state(tracking, published)
    for file in found:
        _print({**msgspec.to_builtins(file, enc_hook=str), "agrees": file.agrees})
    return 0 if all(file.agrees for file in found) else 1


def _served(lake: "Lake", version: str) -> "Served":
    from models.fraud.served import served

    return served(lake, version)


def _change(options: argparse.Namespace) -> "Change":
    from models.fraud.registry import Change
    from online.kernel.clock import SystemClock

    return Change(by=options.by, why=options.why, at=SystemClock().now())


def _print(found: object) -> None:
    print(msgspec.json.encode(found).decode())
