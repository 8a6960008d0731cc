import numpy as np
from conftest import tiny

from srlib import demo


def test_slider_decodes_what_it_shows(rgb):
    slider = demo.Slider(rgb, [tiny("bicubic"), tiny("diif")])
    shown = slider.at(2.5)
    assert list(shown) == ["bicubic", "tiny-diif"]
    for image, seconds in shown.values():
        assert image.shape == (43, 58, 3) and image.dtype == np.uint8 and seconds > 0


def test_moving_the_slider_changes_the_pictures(rgb):
    import ipywidgets

    box = demo.Slider(rgb, [tiny("bicubic"), tiny("liif")]).widget(start=3.0)

    def find(widget, kind):
        children = [w for child in getattr(widget, "children", ()) for w in find(child, kind)]
        return children + ([widget] if isinstance(widget, kind) else [])

    (slider,), pictures = find(box, ipywidgets.FloatSlider), find(box, ipywidgets.Image)
    before = [bytes(p.value) for p in pictures]
    assert len(pictures) == 2 and all(value.startswith(b"\x89PNG") for value in before)
    slider.value = 4.2
    assert all(bytes(p.value) != value for p, value in zip(pictures, before, strict=True))
