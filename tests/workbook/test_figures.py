import pandas as pd
import pytest

from srlib.workbook import figures


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
