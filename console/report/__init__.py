"""The report: one self-contained HTML page that shows what the loop saw and what it made of it."""

from __future__ import annotations

from console.report.data import FunnelStep, ReportData, SamplePair
from console.report.page import render

__all__ = ["FunnelStep", "ReportData", "SamplePair", "render"]
