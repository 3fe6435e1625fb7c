# SPDX-License-Identifier: Apache-2.0
"""Kubernetes manifests as the API server would show them, written the way editors write files."""

import json
import os


def to_yaml(value, indent=0):
    """Block-style YAML of plain dicts, lists and scalars (scalars as JSON, which YAML reads)."""
    pad = "  " * indent
    if isinstance(value, dict) and value:
        lines = []
        for key, item in value.items():
            if isinstance(item, (dict, list)) and item:
                lines.append(f"{pad}{key}:\n{to_yaml(item, indent + 1)}")
            else:
                lines.append(f"{pad}{key}: {json.dumps(item)}")
        return "\n".join(lines)
    if isinstance(value, list) and value:
        return "\n".join(f"{pad}- {to_yaml(item, indent + 1).lstrip()}" for item in value)
    return pad + json.dumps(value)


def write(directory, name, *objects):
    """Write and rename: the daemon never sees half a file."""
    write_text(directory, name, "".join(f"---\n{to_yaml(item)}\n" for item in objects))


def write_text(directory, name, text):
    draft = directory / f".{name}.{os.getpid()}"
    draft.write_text(text)
    draft.rename(directory / f"{name}.yaml")


def namespace(name, meshed=True):
    labels = {"kubernetes.io/metadata.name": name}
    if meshed:
        labels["culvert.dev/mesh"] = "enabled"
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def pod(pod, node_name, netns=None):
    labels = {"app": pod.app, **pod.labels}
    annotations = {"culvert.dev/netns": str(netns)} if netns else {}
    return {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": pod.name, "namespace": pod.namespace, "labels": labels,
                     "annotations": annotations},
        "spec": {"nodeName": node_name, "serviceAccountName": pod.service_account,
                 "containers": [{"name": "app", "image": "none", **pod.probes}]},
        "status": {"phase": "Running", "podIP": pod.ip4,
                   "podIPs": [{"ip": pod.ip4}, {"ip": pod.ip6}]},
    }


def service(service):
    ports = [{"name": f"port-{port}", "protocol": "TCP", "port": port, "targetPort": target}
             for port, target in service.ports.items()]
    return {
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": service.name, "namespace": service.namespace},
        "spec": {"clusterIP": service.ip4, "clusterIPs": [service.ip4, service.ip6],
                 "ipFamilies": ["IPv4", "IPv6"], "selector": {"app": service.name}, "ports": ports},
    }


def endpoint_slices(service):
    """One slice for each family, as Kubernetes makes them."""
    slices = []
    for family, address in (("IPv4", "ip4"), ("IPv6", "ip6")):
        slices.append({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"name": f"{service.name}-{family.lower()}", "namespace": service.namespace,
                         "labels": {"kubernetes.io/service-name": service.name}},
            "addressType": family,
            "ports": [{"name": f"port-{port}", "protocol": "TCP", "port": target}
                      for port, target in service.ports.items()],
            "endpoints": [{"addresses": [getattr(pod, address)],
                           "conditions": {"ready": pod not in service.not_ready},
                           "nodeName": pod.node_name,
                           "targetRef": {"kind": "Pod", "name": pod.name,
                                         "namespace": pod.namespace}}
                          for pod in service.pods],
        })
    return slices


def authorization_policy(name, spec, namespace="shop", **metadata):
    return {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
            "metadata": {"name": name, "namespace": namespace, **metadata}, "spec": spec}


def peer_authentication(name, spec, namespace="shop", **metadata):
    return {"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication",
            "metadata": {"name": name, "namespace": namespace, **metadata}, "spec": spec}
