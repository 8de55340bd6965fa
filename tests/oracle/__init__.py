"""Other implementations of `.tflite` as oracles: LiteRT and TFLite Micro, live or stored."""
