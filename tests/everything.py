"""Whether tests that repeat themselves do so for every case, which takes half an hour, or for some."""

import os

EVERYTHING = bool(os.environ.get("SEGSCAPE_TEST_EVERYTHING"))
