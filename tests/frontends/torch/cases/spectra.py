"""Complex numbers, Fourier transforms, and images sampled at computed places."""

import numpy as np

from tests.frontends.torch.case import case, floats

X = floats(2, 3, 8)
case("rfft", "torch.fft.rfft(x).real, torch.fft.rfft(x, dim=1).imag", x=X, dynamic=True)
case("rfft-sizes", "torch.fft.rfft(x, n=6).abs(), torch.fft.rfft(x, n=11).imag", x=X)
case("rfft-norms", "torch.fft.rfft(x, norm='ortho').real, torch.fft.rfft(x, norm='forward').imag",
     x=X)  # fmt: skip
case("fft", "torch.fft.fft(x).real, torch.fft.ifft(torch.fft.fft(x, dim=1), dim=1).imag", x=X)
case("fft-words", "torch.fft.fft(torch.fft.fft(x, dim=-1), dim=-2).real", x=X, dynamic=True)
case("irfft", "torch.fft.irfft(torch.fft.rfft(x)), torch.fft.irfft(torch.fft.rfft(x), n=7)", x=X)
case("fft2", "torch.fft.fft2(x).real, torch.fft.irfft2(torch.fft.rfft2(x) * 2), "
     "torch.fft.rfftn(x, dim=(0, 2)).imag", x=X)  # fmt: skip
case("fftshift", "torch.fft.fftshift(x, dim=-1), torch.fft.ifftshift(torch.fft.fft(x)).real", x=X)
case("fftfreq", "x + torch.fft.fftfreq(8) * torch.fft.fftfreq(8, d=0.5)", x=X)
case(
    "spectral-convolution",
    "y = torch.fft.rfft2(x)\n"
    "z = torch.zeros(2, 4, 6, 4, dtype=torch.cfloat)\n"
    "z[:, :, :2, :3] = torch.einsum('bixy,ioxy->boxy', y[:, :, :2, :3], torch.complex(w, v))\n"
    "return torch.fft.irfft2(z, s=(6, 6))",
    weights={"w": floats(3, 4, 2, 3), "v": floats(3, 4, 2, 3, seed=1)},
    x=floats(2, 3, 6, 6),
)
ANGLES = np.outer(np.arange(3), 1 / 10 ** (np.arange(4) / 4)).astype(np.float32)
case(
    "rotary",
    "q = torch.view_as_complex(x.reshape(*x.shape[:-1], 4, 2))\n"
    "return torch.view_as_real(q * torch.polar(torch.ones_like(w), w)).flatten(2)",
    weights={"w": ANGLES},
    x=X,
    dynamic=True,
)
case("complex-numbers", "z = torch.complex(x, y)\nu = z * z.conj() - 2 * z / (z + 3)\n"
     "return u.real, u.imag, z.angle(), torch.exp(z).real, (z.T @ z).imag, (-z).sum(0).real",
     x=floats(3, 4), y=floats(3, 4, seed=1))  # fmt: skip
case("complex-shapes", "z = torch.complex(x, y)\n"
     "u = torch.cat([z.permute(1, 0), z.reshape(4, 3)], 1).unsqueeze(0)[:, 1:]\n"
     "return torch.view_as_real(u), torch.stack([z, z], 1)[0].abs()",
     x=floats(3, 4), y=floats(3, 4, seed=1))  # fmt: skip
case(
    "stft",
    "y = torch.stft(x, 16, hop_length=5, window=w, return_complex=True)\nreturn y.abs(), y.imag",
    weights={"w": np.hanning(16).astype(np.float32)},
    x=floats(2, 60),
)
case(
    "stft-parts",
    "torch.view_as_real(torch.stft(x, 16, 4, 12, center=False, normalized=True, onesided=False, "
    "window=w, return_complex=True))",
    weights={"w": np.hanning(12).astype(np.float32)},
    x=floats(2, 60),
)

IMAGE, GRID = floats(2, 3, 5, 6), floats(2, 4, 7, 2, low=-1.4, high=1.4)
for mode in ("bilinear", "nearest"):
    for padding in ("zeros", "border", "reflection"):
        for align in (False, True):
            case(
                f"grid-sample-{mode}-{padding}{'-align' if align else ''}",
                f"F.grid_sample(x, y, '{mode}', '{padding}', {align})",
                x=IMAGE,
                y=GRID,
                dynamic=not align,
            )
case("affine-grid", "F.affine_grid(x, (2, 3, 4, 5), False), F.affine_grid(x, (2, 3, 4, 5), True)",
     x=floats(2, 2, 3))  # fmt: skip
case(
    "spatial-transformer",
    "F.grid_sample(x, F.affine_grid(y, x.shape, False), align_corners=False)",
    x=IMAGE,
    y=floats(2, 2, 3),
    dynamic=True,
)
