"""Python imports this at its start, where ``tests.support.recorder`` has put this folder on the path."""

import os

from tests.support import recorder

recorder.install(os.environ[recorder.FOLDER])
