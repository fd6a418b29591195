"""Decode heads that mmseg lacks; they need mmseg."""

from .searchable_aspp_head import SearchableASPPHead

__all__ = ['SearchableASPPHead']
