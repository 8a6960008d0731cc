"""Stored outputs of tiny twins with weights from a formula, so that a change of numbers does not pass unseen.

For a new decoder, and after a change that is meant to change them: PYTHONPATH=tests python tests/models/test_golden.py NAME ...
"""

import json
import math
import sys
from pathlib import Path

import pytest
import torch
from conftest import tiny

from srlib.models import DECODERS, TAILS

FILE = Path(__file__).with_name("golden.json")
METHODS = ("bicubic", *DECODERS, *TAILS)


@torch.no_grad()
def numbers(method: str, device: str = "cpu") -> list[float]:
    """Twelve values of the output for a 5 x 6 image, weights and image from sines."""
    model = tiny(method)
    for i, parameter in enumerate(model.parameters()):
        wave = torch.sin(torch.arange(parameter.numel(), dtype=torch.float64) * 1.7 + i).view_as(parameter)
        fan_in = parameter[0].numel() if parameter.ndim > 1 else 16
        parameter.copy_(wave * math.sqrt(2 / fan_in))
    image = (0.5 + 0.5 * torch.sin(torch.arange(90, dtype=torch.float64) * 0.61)).view(1, 3, 5, 6).float()
    scale = max(model.scales or (0,))
    model, image = model.to(device), image.to(device)
    sr = model(image, (5 * scale, 6 * scale) if scale else (13, 16))
    return [round(float(x), 6) for x in sr.flatten()[:: sr.numel() // 12][:12]]


@pytest.mark.parametrize("method", METHODS)
def test_numbers_have_not_changed(method, device):
    assert numbers(method, device) == pytest.approx(json.loads(FILE.read_text())[method], abs=2e-5)


if __name__ == "__main__":
    known = json.loads(FILE.read_text())
    kept = {method: known[method] for method in METHODS if method in known and method not in sys.argv[1:]}
    lines = ",\n".join(f'  "{method}": {kept.get(method) or numbers(method)}' for method in METHODS)
    FILE.write_text("{\n" + lines + "\n}\n")
