"""What each operator is in Keras: its form, in a table keyed by operator class.

A form takes the Context, the operator and its operands (Keras tensors; NumPy arrays where constant;
None where absent) and returns the result, or a list of results. It raises Untrainable, with the
reason, where Keras has nothing that means the same.
"""

from edgewise.train.forms import elementwise, moving, weighted
from edgewise.train.forms.context import Context, Form, Untrainable

FORMS: dict[type, Form] = {**weighted.FORMS, **elementwise.FORMS, **moving.FORMS}

__all__ = ["FORMS", "Context", "Form", "Untrainable"]
