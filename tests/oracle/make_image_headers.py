"""Writes tests/fixtures/images/image_header: small images of every kind that is read, 7 pixels wide and 5 high, by
Pillow and, where it writes none, by hand. usage: make_image_headers.py FOLDER"""

import struct
import sys
from pathlib import Path

import numpy
from PIL import Image

folder = Path(sys.argv[1])
pixels = (numpy.arange(5 * 7 * 3).reshape(5, 7, 3) * 2 % 251).astype("uint8")
image = Image.fromarray(pixels)


def save(name, picture=image, **options):
    picture.save(folder / name, **options)


for ending in ("png", "jpg", "bmp", "tif", "webp", "jp2", "j2k", "ppm"):
    save(f"color.{ending}")
save("progressive.jpg", progressive=True)
save("turned.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0")
save("palette.bmp", image.convert("P"))
save("lzw.tif", compression="tiff_lzw")
save("deflate.tif", compression="tiff_adobe_deflate")
save("big.tif", big_tiff=True)
save("lossless.webp", lossless=True)
save("extended.webp", lossless=True, exif=b"Exif\0\0II*\0\x08\0\0\0\0\0")
save("grey.pgm", image.convert("L"))
save("bits.pbm", image.convert("1"))
raw = pixels.tobytes()
text = " ".join(str(value) for value in pixels.flatten())
(folder / "text.ppm").write_text(f"P3\n# a comment\n7 5\n255\n{text}\n")
(folder / "color.pam").write_bytes(b"P7\nWIDTH 7\nHEIGHT 5\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n" + raw)
(folder / "color.pfm").write_bytes(b"PF\n7 5\n-1.0\n" + (pixels / 255).astype("<f4").tobytes())
(folder / "color.hdr").write_bytes(b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 5 +X 7\n" + bytes([90, 80, 70, 128]) * 35)
rows = b"".join(pixels[y, :, ::-1].tobytes() + b"\0" for y in range(5))
(folder / "color.ras").write_bytes(struct.pack(">8I", 0x59A66A95, 7, 5, 24, len(rows), 1, 0, 0) + rows)
