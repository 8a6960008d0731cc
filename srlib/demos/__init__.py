"""What people drag, zoom and point at, in JupyterLab and as web pages. Widgets on anywidget, each with a small script of
its own.

>>> from srlib.demos import DeepZoom
>>> DeepZoom([srlib.load("bicubic"), srlib.load("compact-diif")])
"""

from srlib.demos.deep_zoom import DeepZoom
from srlib.demos.diffusion_slider import DiffusionSlider
from srlib.demos.inside_diif import InsideDIIF
from srlib.demos.inside_diinn import InsideDIINN
from srlib.demos.inside_idm import InsideIDM
from srlib.demos.scale_slider import ScaleSlider

__all__ = ["DeepZoom", "DiffusionSlider", "InsideDIIF", "InsideDIINN", "InsideIDM", "ScaleSlider"]
