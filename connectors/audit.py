"""How a connector's values look in the audit trail."""

import json

from nomaflow_site.lib.sealing import MASK, mask


def masked(text: str) -> str:
    """The configuration with its secrets masked; anything that isn't JSON, as the column of secrets, is one mask."""
    try:
        return json.dumps(mask(json.loads(text)), sort_keys=True)
    except ValueError:
        return MASK
