"""Redaction: personal data and secrets leave the texts before anybody learns from them.

Detectors (`contact`, `phones`, `payment`, `national_ids`, `secrets`, `names`) find spans in one text;
`redactor` replaces them by placeholders that are the same all over one conversation; `messages` and
`frame` do so inside stored messages and over frames of rows; `step` is the step of the nightly build.
"""

from curation.redaction.redactor import Redactor

__all__ = ["Redactor"]
