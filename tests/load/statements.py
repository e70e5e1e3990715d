"""A thousand statements from the lake to PDF, beside one typst compile of the same pages."""

import json
import os
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from multiprocessing import get_context
from pathlib import Path

import typst

from online.kernel import ids
from tests.load.stage import Figure, Stage
from warehouse import schema
from warehouse.connection import LakeConfig, Warehouse
from warehouse.statements.build import Period, build_many, merchants_of
from warehouse.statements.many import render_many
from warehouse.statements.pdf import document

_ROOT = Path(__file__).parents[2]
_FONTS = _ROOT / "warehouse" / "statements" / "fonts"
_TEMPLATE = Path(__file__).with_suffix(".typ")
_WHO = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
MERCHANTS = 1_000  # of six captures each, three lines a capture: a page or two
PERIOD = Period(date(2026, 11, 1), date(2026, 11, 16))


def figures(stage: Stage, _: int) -> list[Figure]:
    with _filled(stage.folder / "statements") as warehouse:
        began = time.perf_counter()
        made = render_many(build_many(warehouse, merchants_of(warehouse), PERIOD), ("pdf",))
        sizes = [len(files["pdf"]) for _, files in made]
        ours_s = time.perf_counter() - began
        used = [resource.getrusage(who).ru_maxrss // 1024 for who in _WHO]
        printed = [
            document(each) for each in build_many(warehouse, merchants_of(warehouse), PERIOD)
        ]
    assert len(sizes) == MERCHANTS
    # In a process of its own: a thousand documents at once take gigabytes.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
        one_s = alone.submit(_one_compile, json.dumps(printed, ensure_ascii=False)).result()
    more = {
        "statements": MERCHANTS,
        "lines": sum(len(each["lines"]) for each in printed),
        "statements_per_s": round(MERCHANTS / ours_s, 1),
        "processes": os.cpu_count(),
        "memory_mb": used[0],
        "worker_memory_mb": used[1],
    }
    return [Figure("statements", ours_s, one_s, "s", more)]


def _one_compile(printed: str) -> float:
    """Seconds; preparing the text is part of ours and not of this."""
    began = time.perf_counter()
    typst.compile(
        str(_TEMPLATE),
        root=str(_ROOT),
        format="pdf",
        font_paths=[str(_FONTS)],
        ignore_system_fonts=True,
        sys_inputs={"statements": printed},
        pdf_tags=False,
    )
    return time.perf_counter() - began


def _filled(folder: Path) -> Warehouse:
    """A month of captures of a thousand merchants, set-wise."""
    folder.mkdir(parents=True, exist_ok=True)
    warehouse = Warehouse(
        LakeConfig(catalog=str(folder / "catalog.ducklake"), data_path=str(folder / "lake"))
    )
    schema.ensure(warehouse)
    merchants = [ids.derived("bench", str(n)) for n in range(MERCHANTS)]
    warehouse.execute(
        "CREATE TEMP TABLE shop AS SELECT unnest(range(len($ids))) AS n, unnest($ids) AS id,"
        " unnest($names) AS name",
        ids=merchants,
        names=[ids.encode("mrc", merchant) for merchant in merchants],
    )
    warehouse.execute(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
    return warehouse
