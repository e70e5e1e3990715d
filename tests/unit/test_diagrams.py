"""The diagrams in ARCHITECTURE.md are what the transition tables say."""

from pathlib import Path

from online.operations import diagrams

ARCHITECTURE = Path(__file__).resolve().parents[2] / "ARCHITECTURE.md"


def test_architecture_shows_the_tables() -> None:
    text = ARCHITECTURE.read_text(encoding="utf-8")
    assert "<!-- diagrams: begin -->" in text
    assert diagrams.written_into(text) == text, "python -m online diagrams --write ARCHITECTURE.md"
