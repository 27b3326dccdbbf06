# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the option auth_proxy_settings, shared by modules."""

from __future__ import annotations


class ModuleDocFragment:
    """The settings of the proxy in front of a registry server."""

    DOCUMENTATION = r"""
options:
  auth_proxy_settings:
    description:
      - Settings of the proxy, if O(auth_proxy) is V(kube_rbac) or V(oauth).
      - Options that are not set are left unchanged. On a new proxy they have the API's defaults.
    type: dict
    suboptions:
      image:
        description:
          - Image of the proxy. An empty string restores the operator's own.
        type: str
      port:
        description:
          - Port on which the proxy listens in its pod, and on which clients reach the registry's Service. The API's default is
            8443.
        type: int
      service_route:
        description:
          - Whether an OpenShift Route leads to the proxy. The API's default is V(true).
        type: bool
      domain:
        description:
          - Domain of the Route's host. An empty string restores the cluster's own.
        type: str
      route_port:
        description:
          - Port on which clients reach the Route. The API's default is 443.
        type: int
      certificate_secret:
        description:
          - An existing Secret in the registries namespace with the certificate that the proxy presents, instead of the one that
            OpenShift creates for it.
        type: dict
        suboptions: &proxy_ref
          name:
            description:
              - Name of the object.
            type: str
            required: true
          key:
            description:
              - Key in its data.
            type: str
            required: true
      key_secret:
        description:
          - An existing Secret in the registries namespace with the private key of that certificate.
        type: dict
        suboptions: *proxy_ref
"""
