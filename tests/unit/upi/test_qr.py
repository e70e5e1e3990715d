"""What is drawn is what a reader reads: another library's decoder looks at the picture."""

import io

import pytest

from online.upi import qr

zxingcpp = pytest.importorskip("zxingcpp", reason="the QR reader of the dev requirements")
Image = pytest.importorskip("PIL.Image", reason="pictures for the QR reader")

TEXTS = (
    "upi://pay?pa=shop@khata",
    "upi://pay?pa=shop@khata&pn=%E0%A4%86%E0%A4%B6%E0%A4%BE&am=1.05&cu=INR&mode=22",
    "upi://pay?pa=shop@khata&pn=" + "x" * 99 + "&tn=" + "%20" * 50 + "&sign=" + "A" * 96,
)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("scale", [2, 4, 8])
def test_the_picture_says_the_link(text: str, scale: int):
    picture = Image.open(io.BytesIO(qr.render(text, "png", scale=scale))).convert("L")
    (found,) = zxingcpp.read_barcodes(picture)
    assert found.text == text
    assert found.format == zxingcpp.BarcodeFormat.QRCode


def test_svg_and_png_have_the_same_modules():
    """Each path of the SVG is a run of dark modules; together as many as the picture's."""
    text = TEXTS[1]
    picture = Image.open(io.BytesIO(qr.render(text, "png", scale=1))).convert("1")
    dark = sum(
        picture.getpixel((x, y)) == 0 for x in range(picture.width) for y in range(picture.height)
    )
    svg = qr.render(text, "svg", scale=1).decode()
    path = svg.split(' d="')[1].split('"')[0]
    runs = [
        int(step[1:])
        for step in path.replace("h", " h").replace("m", " m").split()
        if step[0] == "h"
    ]
    assert sum(runs) == dark
