"""What an operator is, once: one class per operator, one file per family.

Importing this package defines them all; `edgewise.ir.op.Op.registry` lists them.
"""

from importlib import import_module
from pkgutil import iter_modules

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
