"""Amounts as Kubernetes writes them."""

from fractions import Fraction

import pytest
from sublet_hub.kubernetes_api.quantities import parse_quantity


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ("79", 79),
        (79, 79),
        ("1k", 1000),
        ("1.5k", 1500),
        ("500m", Fraction(1, 2)),
        ("2u", Fraction(2, 10**6)),
        ("2n", Fraction(2, 10**9)),
        ("4Gi", 4 * 2**30),
        ("1e3", 1000),
        ("1E3", 1000),
        ("12E-1", Fraction(12, 10)),
        ("1E", 10**18),
        ("-3", -3),
        (".5", Fraction(1, 2)),
        ("5.", 5),
    ],
)
def test_an_amount_is_read(written: object, amount: Fraction) -> None:
    assert parse_quantity(written) == amount


@pytest.mark.parametrize(
    "written", ["", "k", "1 k", "1kk", "1ki", "one", None, "1e", "0x10", "\u0661"]
)
def test_what_is_no_amount_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="no amount"):
        parse_quantity(written)
