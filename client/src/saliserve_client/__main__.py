"""``python -m saliserve_client``: the command line without the installed script."""

import sys

from saliserve_client.cli import main

sys.exit(main())
