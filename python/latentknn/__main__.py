"""``python -m latentknn``: the command line."""

import sys

from latentknn.cli import main

sys.exit(main())
