"""`upi://pay` links as they are met in the wild, and what is refused, by the parameter's name."""

import pytest

from online.upi.domain import InvalidLink, Link, build, parse, signed_part

# Public examples: NPCI's linking specification 1.6, and links of public repositories and pages.
EXAMPLES = {
    # The specification's own shape: merchant, dynamic.
    "upi://pay?pa=nadeem@npci&pn=nadeem%20chinna&mc=0000&tid=cxnkjcnkjdfdvjndkjfvn&tr=4894398cndhcd2"
    "3&tn=Pay%20to%20mystar%20store&am=10&mam=10&cu=INR"
    "&url=https://mystar.com/orderid=9298yw89e8973e87389e78923ue892": Link(
        pa="nadeem@npci",
        pn="nadeem chinna",
        mc="0000",
        tid="cxnkjcnkjdfdvjndkjfvn",
        tr="4894398cndhcd23",
        tn="Pay to mystar store",
        am=1_000,
        mam=1_000,
        url="https://mystar.com/orderid=9298yw89e8973e87389e78923ue892",
    ),
    # A donation page: no amount, `&am=` left empty.
    "upi://pay?pa=iad1tya@upi&pn=Aditya%20Yadav&am=&tn=Thank%20You": Link(
        pa="iad1tya@upi", pn="Aditya Yadav", tn="Thank You"
    ),
    # `+` for a space, and an amount without decimals.
    "upi://pay?pa=9488467006@fam&pn=Santhai+Prime+Marketplace&am=499&cu=INR&tn=Order+SP1": Link(
        pa="9488467006@fam", pn="Santhai Prime Marketplace", am=49_900, tn="Order SP1"
    ),
    # A payee alone.
    "upi://pay?pa=shravyatours23@okicici&pn=ShravyaTours": Link(
        pa="shravyatours23@okicici", pn="ShravyaTours"
    ),
    # A shop's printed code: secure mode named, nothing signed; doubled space in the name.
    "upi://pay?pa=khushi@okaxis&pn=Khushi%20%20Jain&mc=0000&mode=02&purpose=00": Link(
        pa="khushi@okaxis", pn="Khushi  Jain", mc="0000", mode="02", purpose="00"
    ),
    # Capitals, parameters in another order, `@` escaped, an acquirer's own parameters.
    "UPI://PAY?mode=02&ver=01&PN=Sagar%20Kirana&PA=sagar%40hdfcbank&mc=5411"
    "&orgid=159012&qrMedium=06": Link(
        pa="sagar@hdfcbank",
        pn="Sagar Kirana",
        mc="5411",
        mode="02",
        orgid="159012",
        also=(("ver", "01"), ("qrMedium", "06")),
    ),
    # Zero stands for "the payer enters it"; a slash before the query.
    "upi://pay/?pa=paytmqr281@paytm&pn=Paytm%20Merchant&am=0.00&paytmqr=281": Link(
        pa="paytmqr281@paytm", pn="Paytm Merchant", also=(("paytmqr", "281"),)
    ),
    # A bank account in place of a VPA.
    "upi://pay?pa=50100012345678@HDFC0000001.ifsc.npci&pn=A%20B&cu=INR": Link(
        pa="50100012345678@HDFC0000001.ifsc.npci", pn="A B"
    ),
    # Letters beyond ASCII.
    "upi://pay?pa=asha@upi&pn=%E0%A4%86%E0%A4%B6%E0%A4%BE&tn=%E2%82%B9%20100": Link(
        pa="asha@upi", pn="आशा", tn="₹ 100"
    ),
    # A BharatQR-style signed code.
    "upi://pay?pa=shop@icici&pn=Shop&mc=5812&tr=EZY1&mode=16&orgid=159020&sign=MEUCIQDaaaa+/bbbbcccc"
    "dddd==": Link(
        pa="shop@icici",
        pn="Shop",
        mc="5812",
        tr="EZY1",
        mode="16",
        orgid="159020",
        sign="MEUCIQDaaaa+/bbbbccccdddd==",
    ),
}


@pytest.mark.parametrize("text", EXAMPLES)
def test_what_public_readers_accept(text: str):
    assert parse(text) == EXAMPLES[text]


_PA = "upi://pay?pa=a.b@upi"


@pytest.mark.parametrize(
    ("text", "param"),
    [
        ("", "link"),
        ("https://pay?pa=a.b@upi", "link"),
        ("upi://mandate?pa=a.b@upi", "link"),
        ("upi://pay", "link"),
        (_PA + "&tn=" + "x" * 2_000, "link"),
        (_PA + "\n&pn=A", "link"),
        ("upi://pay?", "pa"),
        ("upi://pay?pn=Asha", "pa"),
        ("upi://pay?pa=", "pa"),
        ("upi://pay?pa=asha", "pa"),
        ("upi://pay?pa=a@upi", "pa"),
        ("upi://pay?pa=asha@upi@ybl", "pa"),
        ("upi://pay?pa=as%20ha@upi", "pa"),
        ("upi://pay?pa=as+ha@upi", "pa"),
        ("upi://pay?pa=asha@1upi", "pa"),
        (_PA + "&pa=b.c@upi", "pa"),
        (_PA + "&PA=b.c@upi", "pa"),
        (_PA + "&pn=" + "x" * 256, "pn"),
        (_PA + "&pn=a%0Ab", "pn"),
        (_PA + "&pn=%ff", "pn"),
        (_PA + "&pn=100%", "pn"),
        (_PA + "&pn=%zz", "pn"),
        (_PA + "&mc=541", "mc"),
        (_PA + "&mc=54l1", "mc"),
        (_PA + "&tid=a%20b", "tid"),
        (_PA + "&tr=" + "x" * 100, "tr"),
        (_PA + "&tn=" + "x" * 51, "tn"),
        (_PA + "&am=-1", "am"),
        (_PA + "&am=1.005", "am"),
        (_PA + "&am=1,000.00", "am"),
        (_PA + "&am=1e3", "am"),
        (_PA + "&am=.50", "am"),
        (_PA + "&am=%D9%A1", "am"),  # a digit, and not one of ours
        (_PA + "&mam=ten", "mam"),
        (_PA + "&am=10.00&mam=10.01", "mam"),
        (_PA + "&cu=USD", "cu"),
        (_PA + "&url=javascript:alert(1)", "url"),
        (_PA + "&mode=2", "mode"),
        (_PA + "&purpose=0", "purpose"),
        (_PA + "&orgid=15-9", "orgid"),
        (_PA + "&sign=no", "sign"),
        (_PA + "&sign=MEUCIQDaaaabbbbcccc&am=1.00", "sign"),
        (_PA + "&sign=MEUCIQDaaaabbbbcccc&sign=MEUCIQDaaaabbbbcccc", "sign"),
        (_PA + "&a=1&a=2", "a"),
        (_PA + "&=1", "link"),
        (_PA + "&amp;pn=Asha", "amp;pn"),
    ],
)
def test_what_is_wrong_is_named(text: str, param: str):
    with pytest.raises(InvalidLink) as refused:
        parse(text)
    assert refused.value.param == param
    assert refused.value.code == "invalid_link"


def test_what_is_built_is_as_the_specification_has_it():
    link = Link(
        pa="shop@khata",
        pn="Sagar & Sons+",
        mc="5411",
        tid="KHT" + "0" * 32,
        tr="att_1",
        tn="Order 7/8 = ok",
        am=105,
        mode="22",
        purpose="00",
    )
    assert build(link) == (
        "upi://pay?pa=shop@khata&pn=Sagar%20%26%20Sons%2B&mc=5411&tid=KHT00000000000000000000000000000000"
        "&tr=att_1&tn=Order%207%2F8%20%3D%20ok&am=1.05&cu=INR&mode=22&purpose=00"
    )


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"pa": "nobody"}, "pa"),
        ({"pn": "x" * 100}, "pn"),
        ({"pn": ""}, "pn"),
        ({"tid": "KHT1"}, "tid"),
        ({"tr": "a b"}, "tr"),
        ({"tr": "x" * 36}, "tr"),
        ({"tn": "x" * 51}, "tn"),
        ({"am": 0}, "am"),
        ({"am": 100, "mam": 101}, "mam"),
        ({"cu": "USD"}, "cu"),
        ({"also": (("am", "1"),)}, "am"),
        ({"also": (("x", "1"), ("x", "2"))}, "x"),
        ({"url": "https://x/" + "क" * 480, "tn": "क" * 50, "pn": "क" * 99}, "link"),
    ],
)
def test_nothing_is_built_that_the_specification_refuses(fields: dict, param: str):
    with pytest.raises(InvalidLink) as refused:
        build(Link(**{"pa": "shop@khata", **fields}))
    assert refused.value.param == param


def test_the_signature_is_over_all_that_is_before_it():
    text = "upi://pay?pa=shop@khata&pn=A%20B&sign=MEUCIQDaaaabbbbcccc"
    assert signed_part(text) == "upi://pay?pa=shop@khata&pn=A%20B"
    assert signed_part("upi://pay?pa=shop@khata") is None
