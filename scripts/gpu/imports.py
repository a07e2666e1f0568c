"""Imports what PyTorch's side of a step needs, and fails where something is missing."""

import draws  # noqa: F401
import networks  # noqa: F401
