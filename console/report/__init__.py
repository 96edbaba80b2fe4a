"""The report: one self-contained HTML page that shows what the loop saw and what it made of it."""

from __future__ import annotations

from console.report.data import ReportData, SamplePair
from console.report.page import render
from sinks.drops.documents.funnel import FunnelStep

__all__ = ["FunnelStep", "ReportData", "SamplePair", "render"]
