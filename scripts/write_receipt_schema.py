"""Write docs/receipt.schema.json: ``python scripts/write_receipt_schema.py``."""

import json
from pathlib import Path

from service.receipt_schema import receipt_schema

FILE = Path(__file__).parents[1] / "docs" / "receipt.schema.json"

if __name__ == "__main__":
    FILE.write_text(json.dumps(receipt_schema(), indent=2) + "\n")
