"""A web page on this machine: a picture goes in, and one sees what an enhancer makes of it.

:mod:`.page` holds the page and needs gradio. What the page does is in functions and classes without it: what there is
to choose (:mod:`.choices`), its options (:mod:`.controls`), the work (:mod:`.workbench`), pictures for the screen
(:mod:`.pictures`), detectors (:mod:`.detection`) and pictures to try (:mod:`.examples`). `tools/app.py` serves it.
"""
