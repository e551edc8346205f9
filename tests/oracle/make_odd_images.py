"""Writes tests/fixtures/images/odd: kinds of pixels that decoders take for others, and beside each what Pillow makes of
it, `NAME.rgb`: the bytes of Image.open(NAME).convert("RGB"). usage: make_odd_images.py FOLDER"""

import io
import struct
import sys
import warnings
import zlib
from pathlib import Path

import numpy
from PIL import Image

folder = Path(sys.argv[1])
pixels = (numpy.arange(5 * 7 * 3).reshape(5, 7, 3) * 7 % 253).astype("uint8")
image = Image.fromarray(pixels)
other = Image.fromarray(255 - pixels)
alpha = (numpy.arange(35).reshape(5, 7, 1) * 7 + 3).astype("uint8")
with_alpha = Image.fromarray(numpy.concatenate([pixels, alpha], 2))


def save(name, picture=image, **options):
    picture.save(folder / name, **options)


def png(name, width, bits, kind, rows, **chunks):
    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, len(rows), bits, kind, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    beside = b"".join(chunk(key.encode(), content) for key, content in chunks.items())
    (folder / name).write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + beside + chunk(b"IDAT", data) + chunk(b"IEND", b""))


def tiff(name, width, height, blocks, tags):
    """Uncompressed; tags are {number: shorts}."""
    tags = {256: [width], 257: [height], 259: [1]} | tags
    begins = [8 + sum(len(block) for block in blocks[:i]) for i in range(len(blocks))]
    tiled = 322 in tags
    tags |= {324 if tiled else 273: begins, 325 if tiled else 279: [len(block) for block in blocks]}
    data = b"".join(blocks)
    data += bytes(len(data) % 2)
    directory, beside = b"", b""
    begin = 8 + len(data) + 2 + 12 * len(tags) + 4
    for tag in sorted(tags):
        content = struct.pack(f"<{len(tags[tag])}H", *tags[tag])
        value = content.ljust(4, b"\0") if len(content) <= 4 else struct.pack("<I", begin + len(beside))
        beside += content + bytes(len(content) % 2) if len(content) > 4 else b""
        directory += struct.pack("<HHI", tag, 3, len(tags[tag])) + value
    (folder / name).write_bytes(b"II*\0" + struct.pack("<I", 8 + len(data)) + data + struct.pack("<H", len(tags))
                                + directory + struct.pack("<I", 0) + beside)


def riff(name, content):
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def animation(name, frames):
    """A canvas of 12 x 9 and frames at (4, 2)."""
    def three(value):
        return struct.pack("<I", value)[:3]

    buffer = io.BytesIO()
    image.save(buffer, "WEBP", lossless=True)
    frame = riff(b"ANMF", three(2) + three(1) + three(6) + three(4) + three(100) + b"\0" + buffer.getvalue()[12:])
    content = b"WEBP" + riff(b"VP8X", b"\2\0\0\0" + three(11) + three(8)) + riff(b"ANIM", b"\xff" * 4 + b"\0\0")
    (folder / name).write_bytes(riff(b"RIFF", content + frame * frames))


palette = bytes([1, 2, 3, 40, 50, 60, 200, 100, 50, 255, 254, 253])
png("palette_alpha.png", 4, 8, 3, [bytes([0, 1, 2, 3])], PLTE=palette, tRNS=bytes([0, 128, 255]))
png("palette_2_bits.png", 4, 2, 3, [b"\x1b"], PLTE=palette)
png("palette_short.png", 4, 8, 3, [bytes([0, 1, 2, 9])], PLTE=palette)
png("grey_2_bits.png", 4, 2, 0, [b"\x1b"])
png("grey_one_transparent.png", 2, 8, 0, [bytes([10, 200])], tRNS=b"\0\x0a")
png("grey_alpha.png", 2, 8, 4, [bytes([10, 0, 200, 128])])
png("background.png", 2, 8, 6, [bytes([10, 20, 30, 0, 200, 100, 50, 128])], bKGD=struct.pack(">3H", 9, 9, 9))
save("frames.png", save_all=True, append_images=[other])
save("frames_apart.png", save_all=True, append_images=[other, image], default_image=True)
save("alpha.webp", with_alpha, lossless=True, exact=True)
save("frames.webp", save_all=True, append_images=[other], lossless=True)
save("frames_alpha.webp", with_alpha, save_all=True, append_images=[other], lossless=True)
animation("frames_inside.webp", 2)
animation("one_frame.webp", 1)

save("cmyk.tif", image.convert("CMYK"))
save("cmyk_jpeg.tif", image.convert("CMYK"), compression="jpeg")
save("luminance_jpeg.tif", image.convert("YCbCr"), compression="jpeg")
save("fax.tif", image.convert("1"), compression="group4")
save("grey_alpha.tif", image.convert("LA"))
save("predictor.tif", compression="tiff_lzw", tiffinfo={278: 2, 317: 2})
save("pages.tif", save_all=True, append_images=[other, image])
inks = (numpy.arange(35 * 4) * 11 % 256).astype("uint8").tobytes()
tiff("inks.tif", 7, 5, [inks], {258: [8] * 4, 262: [5], 277: [4]})
four = {258: [8] * 4, 262: [2], 277: [4]}
rgba = numpy.array(with_alpha)
tiff("alpha.tif", 7, 5, [rgba.tobytes()], four | {338: [2]})
tiff("alpha_unknown.tif", 7, 5, [rgba.tobytes()], four | {338: [0]})
multiplied = (rgba.astype(int) * rgba[..., 3:] // 255).astype("uint8")
multiplied[..., 3] = rgba[..., 3]
tiff("alpha_multiplied.tif", 7, 5, [multiplied.tobytes()], four | {338: [1]})
tiff("five_samples.tif", 2, 1, [bytes(range(10))], {258: [8] * 5, 262: [2], 277: [5], 338: [0, 0]})
tiff("white_is_zero.tif", 3, 1, [bytes([10, 100, 200])], {258: [8], 262: [0], 277: [1]})
tiff("grey_4_bits.tif", 3, 2, [b"\x3c\x50\xf0\x10"], {258: [4], 262: [1], 277: [1]})
colors = [256, 40 * 256, 200 * 256, 65535]
tiff("palette.tif", 4, 1, [bytes([0, 1, 2, 3])],
     {258: [8], 262: [3], 277: [1],
      320: (colors + [0] * 252) + ([c // 2 for c in colors] + [0] * 252) + ([c // 3 for c in colors] + [0] * 252)})
tiff("palette_4_bits.tif", 3, 1, [b"\x01\x20"], {258: [4], 262: [3], 277: [1], 320: (colors + [0] * 12) * 3})
planes = [pixels[..., channel].tobytes() for channel in range(3)]
tiff("planes.tif", 7, 5, planes, {258: [8] * 3, 262: [2], 277: [3], 284: [2], 278: [5]})
padded = numpy.zeros((16, 32, 3), "uint8")
padded[:5, :7] = padded[:5, 16:23] = pixels
tiles = [padded[:, left:left + 16] for left in (0, 16)]
tiff("tiles.tif", 23, 5, [tile.tobytes() for tile in tiles],
     {258: [8] * 3, 262: [2], 277: [3], 322: [16], 323: [16]})
tiff("tiles_planes.tif", 23, 5, [tile[..., channel].tobytes() for channel in range(3) for tile in tiles],
     {258: [8] * 3, 262: [2], 277: [3], 284: [2], 322: [16], 323: [16]})

(folder / "largest_100.pgm").write_bytes(b"P5\n4 1\n100\n" + bytes([0, 10, 50, 100]))
(folder / "largest_1023.ppm").write_bytes(b"P6\n2 1\n1023\n" + struct.pack(">6H", 0, 100, 512, 1023, 5, 6))
(folder / "largest_100_text.pgm").write_text("P2\n# grey\n4 1 100\n0 10\n# half\n50 100")
(folder / "largest_15_text.ppm").write_text("P3\n2 1\n15\n0 10 15 3 4 5\n")
(folder / "bits_text.pbm").write_text("P1\n5 2\n01001\n1 0 1 1 0\n")
(folder / "bits.pbm").write_bytes(b"P4\n10 2\n\xa5\x40\x0f\x80")

warnings.simplefilter("ignore")
for file in sorted(folder.iterdir()):
    if file.suffix != ".rgb":
        file.with_name(file.name + ".rgb").write_bytes(numpy.array(Image.open(file).convert("RGB")).tobytes())
