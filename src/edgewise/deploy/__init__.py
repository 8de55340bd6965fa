"""Model -> sources and packages for devices. `c_export` prints a plan as C."""

from edgewise.deploy.c_export import CExport, export_c

__all__ = ["CExport", "export_c"]
