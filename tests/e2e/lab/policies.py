# SPDX-License-Identifier: Apache-2.0
"""AuthorizationPolicies of a lab: all in one file, so that a change of several is one change."""

import contextlib

from . import manifests
from .settings import patience
from .system import wait_for

FILE = "policies"


def policy(name, *rules, namespace="shop", action=None, app=None, **metadata):
    """ALLOW if there is no action; `app` selects the pods of that name. Without rules: `spec: {}`."""
    spec = {}
    if app:
        spec["selector"] = {"matchLabels": {"app": app}}
    if action:
        spec["action"] = action
    if rules:
        spec["rules"] = list(rules)
    return manifests.authorization_policy(name, spec, namespace, **metadata)


def deny(name, *rules, **options):
    return policy(name, *rules, action="DENY", **options)


def source(**fields):
    """A rule for connections from one source."""
    return {"from": [{"source": fields}]}


def to_port(*ports):
    """A rule for connections to these ports of the pod."""
    return {"to": [{"operation": {"ports": [str(port) for port in ports]}}]}


def when(key, **values):
    """A rule by a condition: `values`, `notValues` or both."""
    return {"when": [{"key": key, **values}]}


def write(lab, *policies):
    """These are the lab's policies, and no others; in force a moment later."""
    if policies:
        manifests.write(lab.resources, FILE, *policies)
    else:
        (lab.resources / f"{FILE}.yaml").unlink(missing_ok=True)


def names(daemon):
    """(namespace, name) of each policy in force."""
    return {(known["namespace"], known["name"]) for known in daemon.ask("policies")["policies"]}


def put(lab, *policies):
    """write(), and waits until they are in force. Tells policies by their names only."""
    write(lab, *policies)
    wanted = {(item["metadata"]["namespace"], item["metadata"]["name"]) for item in policies}
    for daemon in lab.daemons:
        wait_for(f"{daemon.node.node_name} to enforce {sorted(wanted)}",
                 lambda daemon=daemon: names(daemon) == wanted, 5 * patience())


@contextlib.contextmanager
def in_force(lab, *policies):
    """They are in force within the block, and removed after it."""
    try:
        put(lab, *policies)
        yield
    finally:
        put(lab)
