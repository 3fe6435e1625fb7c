# SPDX-License-Identifier: Apache-2.0
"""The lab: two nodes of network namespaces on one machine (see topology.py).

Used by scripts/lab, scripts/demo, tests/e2e/*_suite.py and bench/. Standard library only.
"""

from .topology import Lab, Pod, Service
from .system import LabError

__all__ = ["Lab", "LabError", "Pod", "Service"]
