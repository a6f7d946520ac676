"""Tenants, principals, roles, and the one `authorize`.

Here belongs who may do what. Here does not belong how somebody proved who they are on a given protocol: that is the
entrance's, which ends by making a `Principal`.
"""

from serai.identity.authorize import Audit, Refusal, Target, allowed, authorize
from serai.identity.principals import Grant, Principal

__all__ = ["Audit", "Grant", "Principal", "Refusal", "Target", "allowed", "authorize"]
