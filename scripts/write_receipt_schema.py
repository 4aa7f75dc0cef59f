"""Write docs/receipt.schema.json: ``python -m scripts.write_receipt_schema``."""

import json
from pathlib import Path

from service.receipt_schema import receipt_schema

FILE = Path(__file__).parents[1] / "docs" / "receipt.schema.json"

if __name__ == "__main__":
    FILE.write_text(json.dumps(receipt_schema(), indent=2) + "\n")
