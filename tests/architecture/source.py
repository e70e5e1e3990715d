"""What the architecture tests look at: the project's own files, as git sees them."""

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("online", "pipelines", "assets", "models", "expectations", "warehouse")


@cache
def project_files() -> tuple[Path, ...]:
    """Tracked files and those about to be; without git (a source archive), all but what runs."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listing.returncode == 0:
        paths = (ROOT / name for name in listing.stdout.decode().split("\0") if name)
    else:
        paths = (
            path
            for path in ROOT.rglob("*")
            if not {".venv", "var", ".git"} & set(path.relative_to(ROOT).parts)
            and not any(part.endswith("cache__") for part in path.parts)
        )
    return tuple(sorted(path for path in paths if path.is_file()))


def python_files(*folders: str) -> tuple[Path, ...]:
    return tuple(
        path
        for path in project_files()
        if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in folders
    )


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()
