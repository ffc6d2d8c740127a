"""Large trees of experiments on Apache Spark: the views of `mlv_tools.connect`, and the validation of `mlv-validate`.

Spark distributes the directories over its Python workers, which read them with `mlvlogger.read` and validate them with
`mlv_validate.validate`. Spark's own JSON reader is faster, but accepts lines that a reader of MLV must leave out.
"""

from mlv_tools.spark._validation import Validation, validate
from mlv_tools.spark._views import Views, views

__all__ = ["Validation", "Views", "validate", "views"]
