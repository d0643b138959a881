"""`python -m stormalert COMMAND`: the command's usual name; ops/ does it."""

import sys

from ops.__main__ import main

sys.exit(main())
