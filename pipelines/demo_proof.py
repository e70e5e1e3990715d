"""The demo's proof: its days are sealed, and a merchant's pack is checked as a stranger would.

Belongs here: sealing and checking. Does not: the order of events (`demo`).
"""

import subprocess
import sys
import zipfile
from datetime import date
from pathlib import Path

import httpx

from pipelines.processes import CommandFailed
from pipelines.runs import Runner, metadata_of


def seal(runner: Runner, until: date) -> str:
    """Seals every day up to this one; what there is to say of it."""
    metadata_of(runner.run("seal_job", day=str(until)), "proof_seals")
    return f"every day up to {until} is sealed"


def check_pack(folder: Path, base_url: str) -> str:
    """Runs the verifier that lies in a pack, with the keys that online publishes; its last word."""
    packs = sorted(folder.glob("mrc_*/*.zip"))
    if not packs:
        raise CommandFailed("no statement pack was made")
    keys = folder / "seal_keys.json"
    keys.write_bytes(httpx.get(f"{base_url}/api/v1/seals/keys").raise_for_status().content)
    script = folder / "verify_statement.py"
    with zipfile.ZipFile(packs[0]) as pack:
        script.write_bytes(pack.read("verify_statement.py"))
    command = [sys.executable, "-I", str(script), str(packs[0]), "--key", str(keys)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CommandFailed(f"{packs[0].name} does not hold:\n{done.stdout}{done.stderr}")
    return f"{packs[0]}: {done.stdout.splitlines()[-1]}"
