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
turned = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
for ending in ("jpg", "png", "webp"):
    save(f"turned.{ending}", exif=turned)
save("turned.tif", tiffinfo={274: 6})
# What ImageMagick does: EXIF behind the pixels.
chunks = (folder / "turned.png").read_bytes()
begin = chunks.index(b"eXIf") - 4
exif = chunks[begin:begin + 12 + struct.unpack(">I", chunks[begin:begin + 4])[0]]
(folder / "turned_behind.png").write_bytes(chunks.replace(exif, b"")[:-12] + exif + chunks[-12:])
for ending in ("png", "webp"):
    save(f"frames.{ending}", save_all=True, append_images=[Image.fromarray(255 - pixels)])
save("pages.tif", save_all=True, append_images=[image])
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
rows = b"".join(pixels[y, :, ::-1].tobytes() + b"\0" for y in range(5))
(folder / "color.ras").write_bytes(struct.pack(">8I", 0x59A66A95, 7, 5, 24, len(rows), 1, 0, 0) + rows)
