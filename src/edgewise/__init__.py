"""Edgewise: trained models, made small and fast, on phones, boards, microcontrollers, the web."""

__version__ = "0.1.0"
