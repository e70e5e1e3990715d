"""What assets are given: the lake, online's two doors, MLflow, the clock, folders.

Belongs here: making those from one data folder. Does not: what an asset does with them. Nothing is
opened at import; addresses and keys come from `<data folder>/dev.json`, which a local `online dev`
writes, or from the environment where the services are somebody else's (`Site`).
"""

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import dagster as dg
import httpx
import msgspec

from assets.ports import Folders
from models.fraud.tracking import Tracking
from online.kernel.clock import Clock, FileClock
from warehouse import schema
from warehouse.connection import LakeConfig, Warehouse
from warehouse.ingest import PostgresSource

ROOT: Final = Path(__file__).resolve().parents[1]
DATA_DIR: Final = "KHATA_DATA_DIR"
_ATTEMPTS: Final = 6
_MAX_BODY_BYTES: Final = 8 * 1024 * 1024
_TRY_AGAIN: Final = frozenset({425, 429, 500, 502, 503, 504})
_CONFIG: Final = {"data_dir": dg.StringSource}


def data_dir() -> Path:
    """The data folder of this process: from the environment, else the project's `var/dev`."""
    return Path(os.environ.get(DATA_DIR) or ROOT / "var" / "dev").absolute()


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """Where everything is and how to get in."""

    data: Path
    base_url: str
    client_id: str
    client_secret: str
    reader_database_url: str
    lake_catalog: str
    clock_file: Path
    lake_path: str
    mlflow_uri: str
    model_bundle: Path

    @property
    def folders(self) -> Folders:
        return Folders(self.data, self.model_bundle)

    @classmethod
    def of(cls, data: Path) -> "Site":
        """From `dev.json`, each value overridden by `KHATA_OFFLINE_<NAME>` in the environment."""
        written = data / "dev.json"
        known: dict[str, str] = json.loads(written.read_text("utf-8")) if written.exists() else {}

        def value(name: str, *, key: str, default: str = "") -> str:
            return os.environ.get(f"KHATA_OFFLINE_{name}") or known.get(key) or default

        lake = data / "lake"
        bundle = str(data / "models" / "fraud.bundle")
        mlflow = f"sqlite:///{(data / 'mlflow' / 'mlflow.db').as_posix()}"
        return cls(
            data=data,
            base_url=value("BASE_URL", key="base_url"),
            client_id=value("CLIENT_ID", key="service_client_id"),
            client_secret=value("CLIENT_SECRET", key="service_client_secret"),
            reader_database_url=value("READER_DATABASE_URL", key="reader_database_url"),
            lake_catalog=value("LAKE_CATALOG", key="lake_database_url", default=f"{lake}.ducklake"),
            clock_file=Path(
                value("CLOCK_FILE", key="clock_file", default=str(data / "clock.json"))
            ),
            lake_path=value("LAKE_PATH", key="lake_path", default=str(lake)),
            mlflow_uri=value("MLFLOW_URI", key="mlflow_uri", default=mlflow),
            model_bundle=Path(value("MODEL_BUNDLE", key="model_bundle_path", default=bundle)),
        )


class OnlineApi:
    """`/internal/v1` with a token that is renewed when it has run out, and patience.

    Every call there is idempotent, so one that failed half-way is simply made again.
    """

    def __init__(self, site: Site, transport: httpx.BaseTransport | None = None) -> None:
        self._site = site
        self._token: str | None = None
        self._client = httpx.Client(base_url=site.base_url, timeout=60, transport=transport)

    def close(self) -> None:
        self._client.close()

    def send_lines(self, path: str, lines: Sequence[object]) -> list[dict[str, Any]]:
        """NDJSON in parts that fit into one request; one answer a line, in the same order."""
        answers: list[dict[str, Any]] = []
        for part in _parts([msgspec.json.encode(line) for line in lines]):
            response = self._post(path, b"\n".join(part), "application/x-ndjson")
            found = [json.loads(line) for line in response.text.splitlines() if line.strip()]
            if len(found) != len(part):
                raise dg.Failure(f"{path}: {len(part)} lines sent, {len(found)} answered")
            answers += found
        return answers

    def send(self, path: str, body: object) -> dict[str, Any]:
        """One JSON document."""
        response = self._post(path, msgspec.json.encode(body), "application/json")
        found: dict[str, Any] = response.json() if response.content else {}
        return found

    def _post(self, path: str, body: bytes, content_type: str) -> httpx.Response:
        problem = ""
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(min(0.2 * 2**attempt, 5))
            try:
                headers = {
                    "Authorization": f"Bearer {self._bearer()}",
                    "Content-Type": content_type,
                }
                response = self._client.post(f"/internal/v1/{path}", content=body, headers=headers)
            except httpx.TransportError as error:
                problem = repr(error)
                continue
            if response.is_success:
                return response
            problem = f"{response.status_code} {response.text[:500]}"
            if response.status_code == httpx.codes.UNAUTHORIZED:
                self._token = None  # run out, or made before the test clock was moved
            elif response.status_code not in _TRY_AGAIN:
                break
        raise dg.Failure(f"online did not take {path}: {problem}")

    def _bearer(self) -> str:
        if self._token is None:
            response = self._client.post(
                "/api/v1/auth/token",
                json={
                    "client_id": self._site.client_id,
                    "client_secret": self._site.client_secret,
                    "grant_type": "client_credentials",
                },
            )
            response.raise_for_status()
            self._token = str(response.json()["access_token"])
        return self._token


def _parts(lines: Sequence[bytes]) -> Iterator[list[bytes]]:
    part: list[bytes] = []
    size = 0
    for line in lines:
        if part and size + len(line) + 1 > _MAX_BODY_BYTES:
            yield part
            part, size = [], 0
        part.append(line)
        size += len(line) + 1
    if part:
        yield part


def open_lake(site: Site) -> Warehouse:
    """The lake, with every table that the schema names."""
    site.data.mkdir(parents=True, exist_ok=True)
    config = LakeConfig(
        catalog=site.lake_catalog,
        data_path=site.lake_path,
        temp_directory=str(site.data / "tmp"),
    )
    lake = Warehouse(config)
    try:
        schema.ensure(lake)
    except BaseException:
        lake.close()
        raise
    return lake


def tracking_of(site: Site) -> Tracking:
    """MLflow's records; a SQLite file needs its folder."""
    folder = site.data / "mlflow"
    folder.mkdir(parents=True, exist_ok=True)
    return Tracking(uri=site.mlflow_uri, artifacts=folder / "artifacts")


@dg.resource(config_schema=_CONFIG, description="The lake: DuckDB over DuckLake.")
def warehouse(init: dg.InitResourceContext) -> Iterator[Warehouse]:
    with open_lake(_site(init)) as lake:
        yield lake


@dg.resource(config_schema=_CONFIG, description="Online's database, read-only views.")
def source(init: dg.InitResourceContext) -> PostgresSource:
    return PostgresSource(_site(init).reader_database_url)


@dg.resource(config_schema=_CONFIG, description="Online's internal HTTP API.")
def online(init: dg.InitResourceContext) -> Iterator[OnlineApi]:
    api = OnlineApi(_site(init))
    try:
        yield api
    finally:
        api.close()


@dg.resource(config_schema=_CONFIG, description="The time; the sandbox's can be moved.")
def clock(init: dg.InitResourceContext) -> Clock:
    return FileClock(_site(init).clock_file)


@dg.resource(config_schema=_CONFIG, description="Inbox, statements, quality pages, models.")
def folders(init: dg.InitResourceContext) -> Folders:
    return _site(init).folders


@dg.resource(config_schema=_CONFIG, description="MLflow's runs and registry.")
def tracking(init: dg.InitResourceContext) -> Tracking:
    return tracking_of(_site(init))


def _site(init: dg.InitResourceContext) -> Site:
    config: Mapping[str, str] = init.resource_config
    return Site.of(Path(config["data_dir"]))


def resources(folder: str | None = None) -> dict[str, dg.ResourceDefinition]:
    """Every resource, for one data folder; without one, for that of `KHATA_DATA_DIR`."""
    where: Any = {"env": DATA_DIR} if folder is None else folder
    made = {
        "warehouse": warehouse,
        "source": source,
        "online": online,
        "clock": clock,
        "folders": folders,
        "tracking": tracking,
    }
    return {name: found.configured({"data_dir": where}) for name, found in made.items()}
