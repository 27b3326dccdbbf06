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
      - How the proxy is set up, if O(auth_proxy) is V(kube_rbac) or V(oauth).
      - An option that is left out leaves what there is, or the API's default.
    type: dict
    suboptions:
      image:
        description:
          - Image of the proxy. An empty text goes back to the operator's own.
        type: str
      port:
        description:
          - Port on which the proxy listens in its pod, and under which the registry's Service is reached. The API's default
            is 8443.
        type: int
      service_route:
        description:
          - Whether an OpenShift Route leads to the proxy. The API's default is V(true).
        type: bool
      domain:
        description:
          - Domain of the Route's host. An empty text goes back to the cluster's own.
        type: str
      route_port:
        description:
          - Port under which the Route is reached. The API's default is 443.
        type: int
      certificate_secret:
        description:
          - An existing Secret in the registries namespace that holds the certificate that the proxy shows, instead of the one
            that OpenShift makes for it.
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
          - An existing Secret in the registries namespace that holds the private key of that certificate.
        type: dict
        suboptions: *proxy_ref
"""
