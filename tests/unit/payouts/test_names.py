"""Names as banks write them, and where the line between yes and no falls."""

import pytest

from online.payouts.names import score

ACCEPTED = 75  # config/payouts.yaml


@pytest.mark.parametrize(
    ("given", "known"),
    [
        ("Asha Vinod Kulkarni", "MR ASHA V KULKARNI"),
        ("Asha Kulkarni", "KULKARNI ASHA"),
        ("Asha Kulkarni", "ASHA KULKARN"),
        ("Sagar Kirana Stores Pvt Ltd", "SAGAR KIRANA STORES PRIVATE LIMITED"),
        ("José Núñez", "JOSE NUNEZ"),
        ("A. P. J. Abdul Kalam", "APJ ABDUL KALAM"),
        ("Sri Balaji", "SRI BALAJI"),
    ],
)
def test_the_same(given, known):
    assert score(given, known) >= ACCEPTED


@pytest.mark.parametrize(
    ("given", "known"),
    [
        ("Asha Kulkarni", "SOMEBODY ELSE"),
        ("Asha Kulkarni", "ASHA"),
        ("Asha Kulkarni", "ASHA SHARMA"),
        ("Asha Kulkarni", ""),
        ("Asha Kulkarni", "MR"),
        ("Ravi", "RAVI SHANKAR PRASAD"),
        ("Pvt Ltd", "PRIVATE LIMITED COMPANY"),
    ],
)
def test_another(given, known):
    assert score(given, known) < ACCEPTED
