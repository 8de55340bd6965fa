"""What an operator is, once: one class per operator, one file per family.

A family is imported when one of its operators is asked for; `edgewise.ir.op.Op.registry` lists
them all.
"""

from edgewise.ir.op import Op
from edgewise.ops.homes import HOMES

Op.registry.learn(__name__, HOMES)
