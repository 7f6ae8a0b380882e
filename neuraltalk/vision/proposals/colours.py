"""The colour spaces in which pictures are cut: two that see different edges. Both (H, W, 3) uint8 RGB -> float32 in 0..255."""

import numpy as np

WHITE = np.array([0.9505, 1.0, 1.089], np.float32)  # of daylight, as XYZ
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]], np.float32)


def hsv(pixels):
    """Hue, saturation, value: shadows change little but the value."""
    from PIL import Image

    return np.asarray(Image.fromarray(pixels).convert("HSV"), np.float32)


def lab(pixels):
    """CIE L*a*b*: equal distances look equally different. L* in 0..100 is stretched, a* and b* are shifted, to 0..255."""
    linear = _LINEAR[pixels]
    xyz = linear @ (TO_XYZ / WHITE[:, None]).T
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.clip(np.stack([(116 * y - 16) * 2.55, 500 * (x - y) + 128, 200 * (y - z) + 128], axis=-1), 0, 255)


def _to_linear(value):
    """sRGB's value in 0..1 -> proportional to light."""
    return np.where(value > 0.04045, ((value + 0.055) / 1.055) ** 2.4, value / 12.92)


_LINEAR = _to_linear(np.arange(256) / 255).astype(np.float32)
