"""Records what Pillow, torchvision and timm make of small images, for AugmentTests and ImageFileTests.

usage: make_fixtures.py AUTO_AUGMENT     (the path of timm's data/auto_augment.py; Pillow 9.4 and torchvision 0.14 wrote the files here)
"""
import base64
import importlib.util
import io
import json
import os
import sys

import numpy as np
import torch
import torchvision.transforms.functional as F
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from torchvision.transforms.autoaugment import TrivialAugmentWide, _apply_op
from torchvision.transforms.functional import InterpolationMode

HERE = os.path.dirname(os.path.abspath(__file__))
FILL = (124, 116, 104)


def picture(width, height, seed):
    """Slopes, an edge and some noise; dark enough that stretching the contrast does something."""
    rng = np.random.RandomState(seed)
    y, x = np.mgrid[0:height, 0:width]
    values = np.stack([30 + 150 * x / width, 40 + 120 * y / height, 60 + 60 * (x > width / 2) + 50 * (y > x)], -1)
    return Image.fromarray(np.clip(values + rng.randint(-25, 26, values.shape), 0, 230).astype(np.uint8))


def text(raw):
    return base64.b64encode(raw).decode()


def pillow_cases(image):
    yield "invert", 0, ImageOps.invert(image)
    yield "auto_contrast", 0, ImageOps.autocontrast(image)
    yield "equalize", 0, ImageOps.equalize(image)
    yield "grayscale", 0, F.to_grayscale(image, 3)
    for threshold in (0, 77, 128, 256):
        yield "solarize", threshold, ImageOps.solarize(image, threshold)
    for bits in (1, 4, 7):
        yield "posterize", bits, ImageOps.posterize(image, bits)
    for factor in (0.0, 0.1, 0.55, 1.0, 1.37, 1.9, 3.0):
        yield "brightness", factor, F.adjust_brightness(image, factor)
        yield "contrast", factor, F.adjust_contrast(image, factor)
        yield "saturation", factor, F.adjust_saturation(image, factor)
        yield "sharpness", factor, ImageEnhance.Sharpness(image).enhance(factor)
    for turn in (-0.5, -0.2, -0.01, 0.0, 0.1, 0.33, 0.5):
        yield "hue", turn, F.adjust_hue(image, turn)
    for radius in (0.1, 0.5, 1.0, 1.7, 2.0, 4.3):
        yield "blur", radius, image.filter(ImageFilter.GaussianBlur(radius))


def timm_cases(image, timm):
    for name, level in timm.LEVEL_TO_ARG.items():
        if name in ("TranslateX", "TranslateY", "GaussianBlurRand"):
            continue
        for magnitude in (0.0, 3.3, 9.0, 10.0):
            for negate in (False, True):
                timm.random.random = lambda: 0.9 if negate else 0.1
                args = level(magnitude, {}) if level else ()
                if not args and (magnitude > 0 or negate):
                    continue
                for resample in (Image.BILINEAR, Image.BICUBIC):
                    out = timm.NAME_TO_OP[name](image, *args, resample=resample, fillcolor=FILL)
                    yield name, magnitude, out
                    if not any(word in name for word in ("Rotate", "Shear", "Translate")):
                        break
                if "Increasing" not in name and not any(word in name for word in ("Rotate", "Shear", "Translate")):
                    break


def trivial_cases(image):
    space = TrivialAugmentWide()._augmentation_space(31)
    for name, (magnitudes, signed) in space.items():
        if name == "Identity":
            continue
        for strength in (0, 5, 13, 22, 30):
            for sign in (1, -1) if signed else (1,):
                magnitude = float(magnitudes[strength].item()) * sign if magnitudes.ndim > 0 else 0.0
                if magnitudes.ndim == 0 and strength > 0:
                    continue
                yield name, strength, sign, _apply_op(image, name, magnitude, interpolation=InterpolationMode.NEAREST, fill=None)


def files():
    image = picture(33, 21, 2)

    def saved(picture, kind, **options):
        stream = io.BytesIO()
        picture.save(stream, kind, **options)
        return stream.getvalue()

    alpha = image.copy()
    alpha.putalpha(Image.fromarray(np.arange(33 * 21, dtype=np.uint16).reshape(21, 33).astype(np.uint8)))
    palette = image.quantize(17)
    yield "progressive.jpg", saved(image, "JPEG", quality=90, progressive=True)
    yield "444.jpg", saved(image, "JPEG", quality=90, subsampling=0)
    yield "422.jpg", saved(image, "JPEG", quality=70, subsampling=1)
    yield "restart.jpg", saved(image, "JPEG", quality=80, optimize=True)
    yield "grey.jpg", saved(image.convert("L"), "JPEG", quality=90)
    yield "grey_progressive.jpg", saved(image.convert("L"), "JPEG", quality=90, progressive=True)
    yield "cmyk.jpg", saved(image.convert("CMYK"), "JPEG", quality=95)
    yield "rgb.png", saved(image, "PNG")
    yield "alpha.png", saved(alpha, "PNG")
    yield "grey_alpha.png", saved(alpha.convert("LA"), "PNG")
    yield "palette.png", saved(palette, "PNG")
    yield "palette_transparent.png", saved(palette, "PNG", transparency=3)
    yield "palette_2bit.png", saved(image.quantize(4), "PNG", bits=2)
    yield "bilevel.png", saved(image.convert("1"), "PNG")
    yield "lossy.webp", saved(image, "WEBP", quality=80)
    yield "lossless.webp", saved(image, "WEBP", lossless=True)
    yield "alpha.webp", saved(alpha, "WEBP", quality=80)


def main(timm_path):
    spec = importlib.util.spec_from_file_location("auto_augment", timm_path)
    timm = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(timm)
    images, cases = [picture(23, 17, 0), picture(16, 16, 1)], []
    for number, image in enumerate(images):
        cases += [{"by": "pillow", "image": number, "op": op, "value": value, "pixels": text(out.tobytes())} for op, value, out in pillow_cases(image)]
        cases += [{"by": "trivial", "image": number, "op": op, "value": value, "sign": sign, "pixels": text(out.tobytes())}
                  for op, value, sign, out in trivial_cases(image)]
    cases += [{"by": "timm", "image": 0, "op": op, "value": value, "pixels": text(out.tobytes())} for op, value, out in timm_cases(images[0], timm)]
    with open(os.path.join(HERE, "augment.json"), "w") as stream:
        json.dump({"images": [{"width": i.width, "height": i.height, "pixels": text(i.tobytes())} for i in images], "cases": cases}, stream, indent=0)
    decoded = []
    for name, raw in files():
        out = Image.open(io.BytesIO(raw)).convert("RGB")
        decoded.append({"name": name, "file": text(raw), "width": out.width, "height": out.height, "pixels": text(out.tobytes())})
    with open(os.path.join(HERE, "files.json"), "w") as stream:
        json.dump(decoded, stream, indent=0)


main(sys.argv[1])
