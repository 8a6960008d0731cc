"""The few pieces that several models share."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlib.models.geometry import Grid
from srlib.util import fastest
from srlib.util.threads import side_by_side

STRIP = 32  # rows of a convolution's result that one thread works on at a time


def check_images(images: object, what: str, model: nn.Module, *, finite: bool = True) -> None:
    """ValueError unless these are RGB images (B, 3, h, w) of the model's float type, with pixels, all finite."""
    if not isinstance(images, Tensor) or images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
        got = (
            f"a {images.dtype} tensor of shape {tuple(images.shape)}"
            if isinstance(images, Tensor)
            else f"a {type(images).__name__}"
        )
        raise ValueError(f"{what}: expected a float tensor of RGB images, shape (B, 3, h, w), got {got}")
    if images.numel() == 0:
        raise ValueError(
            f"{what}: expected at least one image of at least 1 x 1 pixels, got shape {tuple(images.shape)}"
        )
    own = next((p.dtype for p in model.parameters()), images.dtype)
    if images.dtype != own and not torch.is_autocast_enabled(images.device.type):
        raise ValueError(
            f"{what}: expected {own} images for this {own} model, got {images.dtype}; convert with .to({own})"
        )
    if finite and images.device.type != "meta" and not bool(torch.isfinite(images).all()):
        raise ValueError(f"{what} has NaN or infinite values; expected finite RGB values")


def mlp(*widths: int) -> nn.Sequential:
    """Linear layers of the given widths with a ReLU between them (none after the last).

    Weights start with He's initialisation (the gain of a ReLU), so that a fresh network's output keeps the scale of its
    input; torch's default shrinks it by 0.4 a layer.
    """
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        nn.init.kaiming_uniform_(layers[-2].weight, nonlinearity="relu")
    return nn.Sequential(*layers[:-1])


def linears(network: nn.Sequential) -> list[nn.Linear]:
    """The linear layers of an `mlp`, in order."""
    return [layer for layer in network if isinstance(layer, nn.Linear)]


def hidden(x: Tensor, layers: list[nn.Linear]) -> Tensor:
    """Apply linear layers, each followed by a ReLU, to vectors x (..., inputs)."""
    for layer in layers:
        x = product(x, layer.weight, layer.bias, relu=True)
    return x


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None, *, relu: bool = False) -> Tensor:
    """`F.linear`, and a ReLU. On a CPU, without a graph, in the way that is the fastest on this machine; under autocast in its
    type."""
    if x.device.type != "cpu" or torch.is_grad_enabled() or x.dtype.itemsize > 4:
        return fastest.linear(x, weight, bias, relu)
    x, weight, bias = rounded(x), rounded(weight), None if bias is None else rounded(bias)
    return fastest.product(*weight.shape[::-1], x.dtype)(x, weight, bias, relu)


def rounded(x: Tensor) -> Tensor:
    """x as products under autocast take it; without autocast, and with a graph, x itself."""
    device = x.device.type
    if device == "meta" or torch.is_grad_enabled() or not torch.is_autocast_enabled(device):
        return x
    return x.to(torch.get_autocast_dtype(device))


def unrounded(x: Tensor, weight: Tensor) -> Tensor:
    """x in a weight's own type; with a graph x itself: training under autocast keeps what autocast made."""
    return x if torch.is_grad_enabled() else x.to(weight.dtype)


def exact(x: Tensor) -> contextlib.AbstractContextManager:
    """No autocast in here, on the device of x, unless there is a graph: what it would round would be seen in the image."""
    device = x.device.type
    if device == "meta" or torch.is_grad_enabled() or not torch.is_autocast_enabled(device):
        return contextlib.nullcontext()
    return torch.autocast(device, enabled=False)


def colours(x: Tensor, layer: nn.Linear) -> Tensor:
    """The last layer, to RGB, with the model's own precision whatever came before it."""
    if x.device.type != "cpu" or torch.is_grad_enabled():
        with exact(x):
            return product(unrounded(x, layer.weight), layer.weight, layer.bias)
    with exact(x):  # channels first: so few outputs are twice as fast as columns of the product as they are as its rows
        made = torch.addmm(layer.bias[:, None], layer.weight, unrounded(x, layer.weight).flatten(0, -2).T)
    return made.unflatten(1, x.shape[:-1]).movedim(0, -1)


class Conv(nn.Conv2d):
    """A convolution with a stride of 1 that keeps the size, done as `convolve` does it."""

    def __init__(self, inputs: int, outputs: int, kernel: int):
        super().__init__(inputs, outputs, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        return convolve(x, self.weight, self.bias, self.padding[0])


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, padding: int) -> Tensor:
    """`F.conv2d` with a stride of 1. On a CPU, without a graph: strips of rows side by side."""
    kernel = weight.shape[-1]
    rows, columns = (n + 2 * padding - kernel + 1 for n in x.shape[-2:])
    if x.device.type != "cpu" or torch.is_grad_enabled() or rows <= STRIP:
        return F.conv2d(x, weight, bias, padding=padding)
    out: list[Tensor] = []

    def strip(first: int) -> tuple[int, Tensor]:
        end = min(first + STRIP, rows)
        seen = x[:, :, max(0, first - padding) : end - padding + kernel - 1]
        outside = max(0, padding - first), max(0, end - padding + kernel - 1 - x.shape[-2])
        return first, F.conv2d(
            F.pad(seen, (0, 0, *outside)) if any(outside) else seen, weight, bias, padding=(0, padding)
        )

    for first, made in side_by_side(strip, range(0, rows, STRIP)):
        if not out:
            layout = (
                torch.channels_last
                if made.is_contiguous(memory_format=torch.channels_last)
                else torch.contiguous_format
            )
            out = [torch.empty(*made.shape[:2], rows, columns, dtype=made.dtype, memory_format=layout)]
        out[0][:, :, first : first + made.shape[2]] = made
    return out[0]


def unfold(features: Tensor, kernel: int) -> Tensor:
    """Concatenate the kernel x kernel neighbouring codes of each position, zero-padded at the border.

    (B, C, h, w) -> (B, h', w', C * kernel**2), channel-major (channel, kernel row, kernel column).
    An odd kernel is centred on the codes: h' = h. An even one on their vertices: h' = h + 1.
    """
    padding = kernel // 2
    h, w = (n + 2 * padding - kernel + 1 for n in features.shape[-2:])
    return F.unfold(features, kernel, padding=padding).transpose(1, 2).unflatten(1, (h, w)).contiguous()


def unfolded_linear(features: Tensor, weight: Tensor, bias: Tensor, kernel: int) -> Tensor:
    """`F.linear(unfold(features, kernel), weight, bias)` as the convolution that it is: (B, h', w', outputs).

    Nothing is unfolded in memory, and the product is computed once per LR position instead of once per query. (On a GPU it
    is unfolded: convolutions there may round to TF32 by default, matrix products do not.)
    """
    if features.is_cuda:
        return F.linear(unfold(features, kernel), weight, bias)
    weight = weight.unflatten(1, (features.shape[1], kernel, kernel))
    return convolve(features, weight, bias, kernel // 2).permute(0, 2, 3, 1).contiguous()


def gather(codes: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """codes[:, rows][:, :, columns]: (B, h, w, C) -> (B, R, W, C)."""
    return codes.index_select(1, rows).index_select(2, columns)


class Pixels:
    """Vectors of codes at output pixels. columns (W,): the code of each output column."""

    def __init__(self, columns: Tensor):
        self.columns = columns
        each = torch.arange(len(columns), device=columns.device)
        self.in_order = columns.device.type != "meta" and torch.equal(columns, each)

    def __call__(self, codes: Tensor, rows: Tensor) -> Tensor:
        """codes (B, h, w, C), rows (R,) -> codes[:, rows][:, :, columns], (B, R, W, C)."""
        b, h, w = codes.shape[:3]
        if self.in_order and len(self.columns) == w:  # nothing moves
            return codes.index_select(1, rows)
        lines = w * (h * torch.arange(b, device=rows.device)[:, None] + rows)
        at = lines[..., None] + self.columns
        return codes.flatten(0, 2).index_select(0, at.flatten()).unflatten(0, at.shape)


class Sums:
    """Sums of m vectors of a table at each output pixel, in one pass over them.

    table (N, C). Where the vectors lie is the sum of a part of the row, rows (n, m), of the column, columns (W, m), and of the
    image, images (B, m).
    """

    def __init__(self, table: Tensor, rows: Sequence[Tensor], columns: Sequence[Tensor], images: Sequence[Tensor]):
        kind = index_type(table)
        self.table, parts = table, map(stacked, (rows, columns, images))
        self.rows, self.columns, self.images = (part.to(kind) for part in parts)

    def __call__(self, which: Tensor, weights: Tensor | None = None) -> Tensor:
        """Rows (R,), weights (R, W, m) or all 1 -> (B, R, W, C)."""
        at = self.rows[which][:, None] + self.columns
        at = at[None] if len(self.images) == 1 else self.images[:, None, None] + at
        return sums(self.table, at, weights)


def index_type(table: Tensor) -> torch.dtype:
    """Of places in a table, as short as can be: they are as much to read as a few of the vectors."""
    return torch.int32 if len(table) < 2**31 else torch.int64


def sums(table: Tensor, at: Tensor, weights: Tensor | None = None) -> Tensor:
    """Sums of vectors of a table (N, C), by a fused kernel of torch: at (..., m), weights likewise or all 1 -> (..., C)."""
    weights = None if weights is None else weights.expand(at.shape).flatten(0, -2)
    made = F.embedding_bag(at.flatten(0, -2), table, mode="sum", per_sample_weights=weights)
    return made.unflatten(0, at.shape[:-1])


def stacked(parts: Sequence[Tensor]) -> Tensor:
    return torch.stack(torch.broadcast_tensors(*parts), dim=-1)


def one_pass(x: Tensor) -> bool:
    """Whether `Sums` is the fastest way to gather vectors like x and add them up: on a CPU, without a graph."""
    return x.device.type == "cpu" and x.dtype in (torch.float32, torch.bfloat16) and not torch.is_grad_enabled()


class Crossed:
    """What a layer gives that is linear in a code, a row and a column, at output pixels:
    codes[:, rows][:, :, columns] + at_row[:, None] + at_column, (B, n, W, C), some rows of it at a time.

    codes (B, h, w, C), rows (n,), columns (W,), at_row (n, C), at_column (W, C).
    """

    def __init__(self, codes: Tensor, rows: Tensor, columns: Tensor, at_row: Tensor, at_column: Tensor):
        b, h, w, _ = codes.shape
        self.codes, self.at_row, self.at_column = codes, at_row.to(codes.dtype), at_column.to(codes.dtype)
        self.rows, self.pixels = rows, Pixels(columns)
        if one_pass(codes):
            table, first = torch.cat([codes.flatten(0, 2), self.at_row, self.at_column]), b * h * w
            zero, each = torch.tensor(0), torch.arange(max(len(rows), len(columns)))
            of_row, of_column = first + each[: len(rows)], first + len(rows) + each[: len(columns)]
            of_image = h * w * torch.arange(b)
            self.sums = Sums(table, (w * rows, of_row, zero), (columns, zero, of_column), (of_image, zero, zero))

    def __call__(self, which: Tensor) -> Tensor:
        """Rows (R,) -> (B, R, W, C)."""
        if one_pass(self.codes):
            return self.sums(which)
        z = self.codes.index_select(1, self.rows[which]) + self.at_row[which][:, None]
        return self.pixels(z, torch.arange(len(which), device=z.device)) + self.at_column


def add_product(y: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """y + x weight^T; y is consumed."""
    if x.device.type != "cpu" or torch.is_grad_enabled() or torch.is_autocast_enabled("cpu"):
        return y + product(x, weight).to(y.dtype)
    y.view(-1, y.shape[-1]).addmm_(x.reshape(-1, x.shape[-1]), weight.T)
    return y


def bilinear(image: Tensor, grid: Grid) -> Callable[[Tensor], Tensor]:
    """Bilinear interpolation, the border replicated: image (B, 3, h, w) -> a function of output rows k (R,) -> (B, R, W, 3)."""
    codes = image.permute(0, 2, 3, 1)

    def axis(n: int, out: int, first: int, held: int, part: slice) -> tuple[Tensor, Tensor, Tensor]:
        place = ((2 * torch.arange(out, dtype=torch.float64)[part] + 1) * n / (2 * out) - 0.5).clamp_(0, n - 1)
        before = place.floor().long().clamp_(max=max(n - 2, 0))
        after = (before + 1 - first).clamp_(max=held - 1)
        return (before - first).to(codes.device), after.to(codes.device), (place - before).to(codes)

    held = image.shape[-2:]
    up, down, t = axis(grid.lr[0], grid.size[0], grid.top, held[0], slice(None))
    left, right, u = axis(grid.lr[1], grid.size[1], grid.left, held[1], grid.span)
    wide = torch.lerp(codes.index_select(2, left), codes.index_select(2, right), u[:, None])

    def rows(k: Tensor) -> Tensor:
        return torch.lerp(wide.index_select(1, up[k]), wide.index_select(1, down[k]), t[k, None, None])

    return rows
