"""What a tracked file may hold, and what every package must."""

import ast
import re

import pytest

from tests.architecture.source import PACKAGES, ROOT, name_of, project_files, python_files

REQUIREMENTS = sorted((ROOT / "requirements").glob("*.txt"))

# Put together here, so that this file does not hold what it looks for.
INDEX_HOSTS = re.compile(
    "|".join(
        re.escape(host)
        for host in ("py" + "pi.org", "pythonhosted" + ".org", "registry.npm" + "js.org")
    )
)
# A path of the machine that someone developed on; a container's own /root is not written either.
MACHINE_PATHS = re.compile(
    r"(?<![\w.$}/-])/(?:" + "|".join(("work", "root", "farm")) + r")(?:/|\b)"
)
LOCK_FILES = {"uv.lock", "package-lock.json", "poetry.lock", "Pipfile.lock", "yarn.lock"}


def text_files():
    for path in project_files():
        content = path.read_bytes()
        if b"\0" not in content:
            yield path, content.decode("utf-8", errors="replace")


@pytest.mark.parametrize("pattern", [INDEX_HOSTS, MACHINE_PATHS], ids=["index", "machine"])
def test_no_file_names_a_package_index_or_a_path_of_one_machine(pattern):
    here = name_of(ROOT / "tests/architecture/test_repository.py")
    found = [
        f"{name_of(path)}: {match[0]}"
        for path, text in text_files()
        if name_of(path) != here
        for match in pattern.finditer(text)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("text", "is_path"),
    [
        ("cd {}/main", True),
        ('open("{}/x")', True),
        ("{}:ro", True),
        ("a/b{}/c", False),
        ("http://host{}/c", False),
        ("{}flow", False),
    ],
)
def test_the_machine_path_rule_itself(text, is_path):
    assert bool(MACHINE_PATHS.search(text.format("/" + "work"))) is is_path


def test_no_lock_file_with_download_addresses():
    assert not [name_of(path) for path in project_files() if path.name in LOCK_FILES]


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.name)
def test_requirements_are_pinned_and_hashed(path):
    text = path.read_text().replace("\\\n", " ")
    entries = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    assert entries
    for line in entries:
        assert re.match(r"[a-z0-9-]+(\[[a-z0-9,-]+\])?==[^ ]+ ", line), line[:80]
        assert " --hash=sha256:" in line, line[:80]
        assert "://" not in line, line[:80]


def test_sets_agree_on_every_version():
    def pins(name: str) -> set[str]:
        text = (ROOT / "requirements" / name).read_text()
        # Without markers: a smaller set may need the same version in more circumstances.
        return {line.partition(" ")[0] for line in text.splitlines() if line[:1].isalnum()}

    for name in ("base.txt", "pipeline.txt", "ml.txt", "dev.txt"):
        assert pins("base.txt") <= pins(name) <= pins("all.txt"), name


def test_every_folder_of_python_is_a_package():
    folders = {path.parent for path in python_files(*PACKAGES, "tests")}
    folders |= {
        parent
        for folder in folders
        for parent in folder.parents
        if ROOT in parent.parents  # from the top-level package down
    }
    missing = [name_of(folder) for folder in folders if not (folder / "__init__.py").exists()]
    assert not missing


def test_package_files_hold_a_docstring_or_nothing():
    for path in python_files(*PACKAGES, "tests"):
        if path.name == "__init__.py":
            tree = ast.parse(path.read_bytes())
            assert len(tree.body) == (ast.get_docstring(tree) is not None), name_of(path)
