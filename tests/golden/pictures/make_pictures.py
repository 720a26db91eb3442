# Makes the pictures of this folder: python3 make_pictures.py (Pillow 13, libjpeg-turbo 3, numpy)
import numpy as np
from PIL import Image

rng = np.random.default_rng(7)


def picture(width, height):
    """Smooth colours with noise, so that chroma varies from pixel to pixel."""
    y, x = np.mgrid[0:height, 0:width]
    base = np.stack([x * 255 / max(width - 1, 1), y * 255 / max(height - 1, 1), (x * 7 + y * 13) % 256], -1)
    return Image.fromarray(np.clip(base + rng.normal(0, 40, base.shape), 0, 255).astype(np.uint8))


for width, height in [(1, 1), (2, 3), (5, 4), (17, 13), (16, 16), (33, 2), (40, 31)]:
    for name, subsampling in [("444", 0), ("422", 1), ("420", 2)]:
        picture(width, height).save(f"{width}x{height}_{name}.jpg", subsampling=subsampling, quality=85)
picture(40, 31).save("progressive.jpg", progressive=True, quality=60)
picture(40, 31).save("coarse.jpg", quality=5)
picture(20, 12).convert("L").save("grey.jpg")
for orientation in range(1, 9):
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture(18, 11).save(f"orientation_{orientation}.jpg", exif=exif)

rgb = picture(19, 9)
rgb.save("rgb.png")
rgb.convert("L").save("grey.png")
rgb.convert("1").save("one_bit.png")
rgb.quantize(16).save("palette_4.png", bits=4)
rgb.quantize(200).save("palette_8.png")
rgb.quantize(4).save("palette_2.png", bits=2)
rgba = rgb.copy()
rgba.putalpha(rgb.convert("L"))
rgba.save("alpha.png")
rgba.convert("LA").save("grey_alpha.png")
rgb.quantize(8).save("palette_transparent.png", transparency=3)
rgb.save("rgb_transparent.png", transparency=(1, 2, 3))
Image.fromarray((np.arange(19 * 9, dtype=np.uint16).reshape(9, 19) * 380)).save("grey_16.png")
