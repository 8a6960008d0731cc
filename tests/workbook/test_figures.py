import matplotlib.pyplot as plt
import pandas as pd
import pytest

from srlib.models.catalogue import labels
from srlib.workbook import figures, plan


@pytest.mark.parametrize(
    "model, style",
    [
        ("compact-liif", "-"),
        ("edsr-baseline-liif-seed1", "--"),
        ("rdn-x2", ":"),
        ("idm-seed1", "--"),
        ("edsr-mine", "-"),
    ],
)
def test_lines_tell_encoders_apart(model, style):
    assert figures.line(model) == style


@pytest.mark.parametrize("column, panels", [("psnr_x8", 2), ("validation_loss", 2), ("lr", 1)])
def test_training_curves_of_any_validation(column, panels):
    log = pd.DataFrame({"step": [1, 2, 3], "loss": [3.0, 2.0, 1.0], column: [1.0, None, 2.0]})
    assert len(figures.training_curves({"compact-x8": log}).axes) == panels


@pytest.mark.parametrize("sets", [["Set5"], ["Set5", "Set14", "B100", "Urban100"]])
def test_the_legend_of_many_methods_is_whole(sets):
    models = [model for model in plan.profile("compact")["groups"]["methods"] if model != "bicubic"]
    rows = [(m, s, scale, 1.0, 0.9, 1.1, 5) for m in models for s in sets for scale in (2.0, 4.0)]
    columns = ["model", "dataset", "scale", "value", "low", "high", "images"]
    with plt.rc_context():
        figures.style()
        figure = figures.psnr_by_scale(pd.DataFrame(rows, columns=columns))
        figure.canvas.draw()
    (legend,) = figure.legends
    assert len(legend.get_texts()) == len(set(labels(models).values())) + 1  # and bicubic
    for text in legend.get_texts():
        box = text.get_window_extent()
        assert figure.bbox.x0 <= box.x0
        assert box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0
        assert box.y1 <= figure.bbox.y1
    plt.close(figure)
