"""Docstrings as the site shows them: Sphinx's roles become plain code, examples a section of code."""

from __future__ import annotations

import re

import griffe

ROLE = re.compile(r':(?:py:)?(?:class|func|meth|mod|attr|data|obj|exc):`~?\.?([^`]+)`')
EXAMPLE = re.compile(r'^( *)Example:$', re.MULTILINE)


class PlainDocstrings(griffe.Extension):
    """Rewrites each docstring before its sections are read."""

    def on_instance(self, *, obj: griffe.Object, **_) -> None:
        """Called by griffe for each object that it has read."""
        if obj.docstring is not None:
            text = ROLE.sub(r'`\1`', obj.docstring.value)
            # griffe knows prompts as code in a section of this name alone
            obj.docstring.value = EXAMPLE.sub(r'\1Examples:', text)
