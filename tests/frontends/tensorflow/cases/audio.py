"""Cases of handlers/audio.py."""

import numpy as np

from tests.frontends.tensorflow.case import case, s, x

TIME = np.arange(1600) / 16000
TONES = [np.sin(2 * np.pi * 440 * TIME), 0.3 * np.sin(2 * np.pi * 2500 * TIME)]
SIGNAL = np.stack(TONES, 1).astype(np.float32)
POWER = np.abs(np.random.default_rng(7).normal(size=(2, 3, 257))).astype(np.float32)
POWER[0, 1] = 0  # silence

case("AudioSpectrogram", x(SIGNAL), window_size=480, stride=160, magnitude_squared=True,
     tolerance=1e-4)  # fmt: skip
case("AudioSpectrogram", x(40, 1), window_size=16, stride=7, label="magnitude")
case("Mfcc", x(POWER), s(16000))
case("Mfcc", x(POWER), s(8000), upper_frequency_limit=3000.0, lower_frequency_limit=0.0,
     filterbank_channel_count=20, dct_coefficient_count=20, label="all")  # fmt: skip
case("Mfcc", x(POWER), s(16000), upper_frequency_limit=9000.0, label="beyond_the_last_bin",
     refused="its upper limit of 9000 Hz")  # fmt: skip
case("Mfcc", x(POWER), x(np.array(16000, np.int32)), label="any_rate",
     refused="its sample rate is computed")  # fmt: skip
