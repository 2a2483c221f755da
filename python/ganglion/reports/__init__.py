"""Reports: on data, before a model is trained, and on a model, group by group."""

from __future__ import annotations

from ganglion.optional import require

require("sklearn", "ganglion.reports", extra="sklearn", distribution="scikit-learn")

from ganglion.reports.data import DataReport, inspect_data  # noqa: E402  after the check above
from ganglion.reports.finding import Finding  # noqa: E402
from ganglion.reports.groups import GroupReport, metrics_by_group  # noqa: E402

__all__ = ["DataReport", "Finding", "GroupReport", "inspect_data", "metrics_by_group"]
