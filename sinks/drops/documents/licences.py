"""Licences as the Hugging Face hub and SPDX name them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

HUB: Final = frozenset(
    (
        *("apache-2.0", "mit", "openrail", "bigscience-openrail-m", "creativeml-openrail-m"),
        *("bigscience-bloom-rail-1.0", "bigcode-openrail-m", "afl-3.0", "artistic-2.0", "bsl-1.0", "bsd"),
        *("bsd-2-clause", "bsd-3-clause", "bsd-3-clause-clear", "c-uda", "cc", "cc0-1.0", "cc-by-2.0"),
        *("cc-by-2.5", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-2.0"),
        *("cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0"),
        *("cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "cdla-sharing-1.0"),
        *("cdla-permissive-1.0", "cdla-permissive-2.0", "wtfpl", "ecl-2.0", "epl-1.0", "epl-2.0"),
        *("etalab-2.0", "eupl-1.1", "agpl-3.0", "gfdl", "gpl", "gpl-2.0", "gpl-3.0", "lgpl", "lgpl-2.1"),
        *("lgpl-3.0", "isc", "lppl-1.3c", "ms-pl", "mpl-2.0", "odc-by", "odbl", "openrail++", "osl-3.0"),
        *("postgresql", "ofl-1.1", "ncsa", "unlicense", "zlib", "pddl", "lgpl-lr"),
        *("deepfloyd-if-license", "llama2", "gemma"),
    )
)
"""Identifiers a card may use. Source: Hugging Face hub documentation, "Licenses"."""

SPDX: Final = {
    name.lower(): name
    for name in (
        *("Apache-2.0", "MIT", "AFL-3.0", "Artistic-2.0", "BSL-1.0", "BSD-2-Clause", "BSD-3-Clause"),
        *("BSD-3-Clause-Clear", "C-UDA-1.0", "CC0-1.0", "CC-BY-2.0", "CC-BY-2.5", "CC-BY-3.0", "CC-BY-4.0"),
        *("CC-BY-SA-3.0", "CC-BY-SA-4.0", "CC-BY-NC-2.0", "CC-BY-NC-3.0", "CC-BY-NC-4.0", "CC-BY-ND-4.0"),
        *("CC-BY-NC-ND-3.0", "CC-BY-NC-ND-4.0", "CC-BY-NC-SA-2.0", "CC-BY-NC-SA-3.0", "CC-BY-NC-SA-4.0"),
        *("CDLA-Sharing-1.0", "CDLA-Permissive-1.0", "CDLA-Permissive-2.0", "WTFPL", "ECL-2.0", "EPL-1.0"),
        *("EPL-2.0", "etalab-2.0", "EUPL-1.1", "EUPL-1.2", "ISC", "LPPL-1.3c", "MS-PL", "MPL-2.0"),
        *("ODC-By-1.0", "ODbL-1.0", "OSL-3.0", "PostgreSQL", "OFL-1.1", "NCSA", "Unlicense", "Zlib"),
        *("PDDL-1.0", "LGPL-3.0-only", "GPL-2.0-only", "GPL-3.0-only", "AGPL-3.0-only"),
    )
}
"""Identifiers with a page under spdx.org/licenses, by their lower-case form."""

UNKNOWN: Final = "unknown"
OTHER: Final = "other"
SEVERAL: Final = "several-licences"


@dataclass(frozen=True)
class HubLicence:
    """What a card's front matter says; `name` is given when `license` is `other`."""

    license: str
    name: str | None = None


def hub_licence(licences: Sequence[str]) -> HubLicence:
    """The licence of a data set whose rows name these; "" stands for rows that name none."""
    if not [name for name in licences if name]:
        return HubLicence(UNKNOWN)
    if len(licences) > 1:
        return HubLicence(OTHER, SEVERAL)
    name = licences[0].strip().lower()
    return HubLicence(name) if name in HUB else HubLicence(OTHER, slug(name))


def spdx_url(licence: str) -> str | None:
    """The page of a licence at SPDX; None for one that is not among the known."""
    name = SPDX.get(licence.strip().lower())
    return f"https://spdx.org/licenses/{name}.html" if name else None


def slug(name: str) -> str:
    """A name as an identifier: lower case letters, digits, dots and dashes."""
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.")[:64] or OTHER
