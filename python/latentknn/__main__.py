"""The command line as ``python -m latentknn``."""

import sys

from latentknn.cli import main

sys.exit(main())
