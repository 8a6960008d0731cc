"""results/FINDINGS.md says what is so: every number in it comes from a CSV of the reference run, to the printed digit."""

import re

import pandas as pd
import pytest
from prose import REFERENCE, claim, numbers, paragraphs, printed, psnr, read, told

from srlib.util import paths

PAGE = (paths.RESULTS / "FINDINGS.md").read_text()
PAPER = r"\(paper[^)]*?: ([+-][\d.]+)\)"


def quality() -> dict[str, list[float]]:
    scores = psnr("diif/table2", "scores")
    gap = lambda better, worse: scores[f"compact-{better}"] - scores[f"compact-{worse}"]  # noqa: E731
    macs = read("diif/table3/counts.csv").pivot_table("macs", "scale", "model")
    share = 100 * macs["edsr-baseline-diif"] / macs["edsr-baseline-liif"]
    own = {scale: scores.xs(scale, level="scale") for scale in (2, 3, 4)}
    edsr = [(own[scale][f"compact-x{scale}"] - own[scale]["compact-diinn"]).mean() for scale in (2, 3, 4)]
    above = scores.drop(columns="bicubic").sub(scores["bicubic"], axis=0)
    small = "above {}: compact-diinn less compact-{}, mean"
    pairs = [small.format("LIIF", "liif"), small.format("Meta-SR", "metasr")]
    return {
        "Every model is above bicubic": [above.min().min()],
        "DIIF nearly matches LIIF": [
            gap("diif", "liif").mean(),
            gap("diif", "liif")["Urban100", 2],
            gap("diif", "liif")["Set5", 8],
            told("diif/table2", "DIIF not below LIIF", PAPER),
            share[6],
            share[24],
        ],
        "DLTE does not match LTE": [gap("dlte", "lte").mean(), told("diif/table2", "DLTE not below LTE", PAPER)],
        "LTE is above LIIF": [gap("lte", "liif").mean(), told("diif/table2", "LTE not below LIIF", PAPER)],
        "DIINN is above LIIF and Meta-SR": [
            gap("diinn", "liif").mean(),
            gap("diinn", "metasr").mean(),
            gap("diinn", "lte").mean(),
        ],
        "A network of its own for each scale is still better": edsr,
        "By DIINN's own protocol": [
            *(claim("diinn/tables", words) for words in pairs),
            *(told("diinn/tables", words, PAPER) for words in pairs),
        ],
    }


def ablations() -> dict[str, list[float]]:
    scores = psnr("diif/table4", "table4", "measured")
    cost = {o: scores["compact-diif"] - scores[f"compact-diif-{o}"] for o in ("wo-ds", "wo-se", "x4only", "cs")}
    at = {o: gap.groupby("scale").mean() for o, gap in cost.items()}
    mixing = [f"[{which}] without mixing above with" for which in ("s z", "m z", "m")]
    order = [claim("diinn/table5", "[s z] above [m z]"), claim("diinn/table5", "[m z] above [m]")]
    return {
        "DIIF (RGB": [
            cost["wo-ds"].mean(), at["wo-ds"][2], at["wo-ds"][6], cost["wo-se"].mean(), cost["x4only"].mean(),
            at["x4only"][2], at["x4only"][[4, 6, 12]].min(), cost["cs"].mean(),
        ],
        "DIINN (RGB": [
            *order,
            *(claim("diinn/table5", words) for words in mixing),
            *(told("diinn/table5", words, PAPER) for words in mixing),
        ],
    }  # fmt: skip


def costs() -> dict[str, list[float]]:
    agrees = pd.concat(read(f"diif/table{n}/table{n}.csv")["agrees"] for n in (1, 3, 4)).dropna().astype(bool)
    growth = read("diif/table3/growth.csv").query("counted == 'macs'").set_index("model")["exponent"]
    memory = read("diif/table3/memory.csv").set_index("model")["peak_MiB"]
    return {
        "Parameters and MACs come out to the printed digits": [agrees.sum(), len(agrees), (~agrees).sum()],
        "DIIF's cost grows more slowly": [growth["edsr-baseline-diif"], growth["edsr-baseline-liif"]],
        "Memory": [memory["edsr-baseline-liif"], memory["edsr-baseline-diif"]],
    }


def speed() -> dict[str, list[float]]:
    counts = read("diif/table1/counts.csv").set_index("model").loc["edsr-baseline-liif"]
    ratios = read("diif/table3/ratios.csv").set_index(["times from", "scale"])["EDSR-baseline-DIIF"]
    pairs = [f"order of running times at ×{scale}, literal" for scale in (4, 6, 12)]
    expected = read("diif/table3/checks.csv").set_index("claim")["expected"]
    of = {words: float(expected[next(c for c in expected.index if c.startswith(words))]) for words in pairs}
    order = lambda size, path: claim("diinn/table4", f"order of running times at {size}², {path}")  # noqa: E731
    (literal,) = {order(size, "literal") for size in (128, 256, 512)}
    (fast,) = {order(size, "fast") for size in (256, 512)}
    tie = read("diinn/table4/ratios.csv").set_index(["times from", "output size"]).loc[("fast", 128), "DIINN"]
    return {
        "The fast path gives the literal one's numbers": [claim("quickstart", "fast path equals the literal one")],
        "Part of it is arithmetic saved": [counts["macs"] / counts["macs_fast"]],
        "DIIF against LIIF": [ratios[path, scale] for path in ("literal", "fast") for scale in (4, 12)],
        "DIIF's Table 3, order of times": [n for words in pairs for n in (claim("diif/table3", words), of[words])],
        "DIINN's Table 4, order of times": [literal, order(128, "fast"), tie, fast],
    }


def pictures() -> dict[str, list[float]]:
    seams = dict(read("diif/figure7/seams.csv").itertuples(index=False))
    cells = read("bicubic_check/diinn_table1_bicubic.csv").dropna(subset="gap")
    worst = cells.assign(gap=cells["gap"].abs()).groupby(["quantity", "dataset"])["gap"].max()
    (files,) = re.findall(r"LR files that differ, of (\d+)", " ".join(read("bicubic_check/checks.csv")["claim"]))
    return {
        "DIIF leaves faint seams": [seams["compact-diif"], seams["compact-liif"], seams["original"]],
        "Bicubic repeats DIINN's Table 1": [
            max(worst["psnr", "Set5"], worst["psnr", "Set14"]),
            max(worst["psnr", "B100"], worst["psnr", "Urban100"]),
            worst["lr_psnr"].max(),
        ],
        "MATLAB's bicubic repeats the LR files": [float(files), claim("bicubic_check", "LR files that differ")],
    }


def beyond_bicubic() -> dict[str, list[float]]:
    gain = read("beyond_bicubic/means.csv").set_index(["degradation", "model"])["gain"]
    return {
        "Blur takes nearly all of the gain": [gain[how, "compact-liif"] for how in ("bicubic", "blur")],
        "Noise and JPEG turn it into a loss": [gain[how, "compact-liif"] for how in ("noise", "jpeg")],
    }


def idm() -> dict[str, list[float]]:
    seconds = {n: pd.read_csv(paths.WEIGHTS / f"{n}-small.csv")["seconds"].iloc[-1] for n in ("idm", "sr3")}
    means = read("idm/scales/means.csv").set_index(["scale", "model"])
    of = lambda what, *rows: [means.loc[row, what] for row in rows]  # noqa: E731
    factor = read("idm/scaling_factor/results.csv").set_index("p")["diversity"]
    samplers = read("idm/sampling/samplers.csv").set_index(["sampler", "steps"])["psnr"]
    ancestral = samplers["ancestral", 1000]
    return {
        "Two small diffusion models": [seconds["idm"] / 60, seconds["sr3"] / 60],
        "At ×8 both draw detail": [
            *of("detail", (8, "idm-small"), (8, "sr3-small"), (8, "compact-liif")),
            *of("consistency", (8, "idm-small"), (8, "sr3-small"), (8, "bicubic")),
        ],
        "At other sizes SR3 is lost": [
            *of("consistency", (2, "sr3-small"), (2, "bicubic")),
            *of("detail", (10, "sr3-small")),
            *of("consistency", (2, "idm-small"), (10, "idm-small")),
            *of("detail", (2, "idm-small"), (10, "idm-small")),
        ],
        "Fewer steps do": [
            50, samplers["ddim", 50] - ancestral, 1000, 50, samplers["dpm-solver++", 50] - ancestral,
        ],
        "The scaling factor steers what is made up": [1, factor[1] / factor[0], 0],
        "What a small model cannot do": [means.loc[(8, "bicubic"), "psnr"] - means.loc[(8, "idm-small"), "psnr"]],
    }  # fmt: skip


def verdicts() -> dict[str, list[float]]:
    ratio = "DIIF more than 10 times as fast as LIIF from ×12 on, both {} (paper"
    return {
        "DIIF more than 10 times as fast as LIIF": [
            10, *(claim("diif/table3", ratio.format(path)) for path in ("literal", "fast")),
        ],
    }  # fmt: skip


FINDINGS = quality() | ablations() | costs() | speed() | pictures() | beyond_bicubic() | idm() | verdicts()


def opening(paragraph: str) -> str:
    return paragraph.removeprefix("- ").replace("**", "")


def table(start: str) -> list[list[str]]:
    """The rows of the page's table whose head begins so, without head and rule."""
    (found,) = [part for part in paragraphs(PAGE) if part.startswith(start)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in found.splitlines()[2:]]


@pytest.mark.parametrize("start", FINDINGS)
def test_the_numbers_are_the_measured_ones(start):
    (found,) = [part for part in paragraphs(PAGE) if opening(part).startswith(start)]
    said = numbers(found)
    assert len(said) == len(FINDINGS[start]), said
    assert said == [printed(value, like) for value, like in zip(FINDINGS[start], said, strict=True)]


def test_no_number_stands_without_a_csv():
    others = [part for part in paragraphs(PAGE) if not opening(part).startswith(tuple(FINDINGS))]
    assert [part for part in others if numbers(part) and not part.startswith("|")] == []


def test_the_table_of_speed():
    bench = pd.read_csv(REFERENCE / "bench.csv").set_index(["model", "scale"])
    columns = [("metasr", 4), ("metasr", 3.7), ("liif", 6), ("lte", 6), ("diif", 8), ("dlte", 8), ("diinn", 6)]
    rows = [bench.loc[(f"edsr-baseline-{decoder}", scale)] for decoder, scale in columns]
    said = table("| | Meta-SR ×4 | Meta-SR ×3.7 | LIIF ×6 | LTE ×6 | DIIF ×8 | DLTE ×8 | DIINN ×6 |")
    for (_, *cells), column in zip(said, ("speedup", "speedup_in_bands", "of_gemm_rate"), strict=True):
        values = [row[column] * (100 if column == "of_gemm_rate" else 1) for row in rows]
        expected = [printed(value, cell.removesuffix(" %")) for value, cell in zip(values, cells, strict=True)]
        assert [cell.removesuffix(" %") for cell in cells] == expected


def test_the_table_of_verdicts():
    counted = read("claims/verdicts.csv").astype(str).to_numpy().tolist()
    assert table("| | confirmed | not confirmed | not measured |") == counted


SCORES = psnr("diif/table2", "scores")


@pytest.mark.parametrize("better, worse", [("lte", "liif"), ("diinn", "liif"), ("diinn", "metasr")])
def test_in_every_cell(better, worse):
    assert (SCORES[f"compact-{better}"] > SCORES[f"compact-{worse}"]).all()


@pytest.mark.parametrize("model", ["compact-lte", "compact-diinn"])
@pytest.mark.parametrize("scale", [2, 3])
def test_a_network_of_its_own_is_better(model, scale):
    at = SCORES.xs(scale, level="scale")
    assert (at[f"compact-x{scale}"] > at[model]).all()


def test_diif_is_lowest_and_highest_against_liif_where_the_page_says():
    gap = SCORES["compact-diif"] - SCORES["compact-liif"]
    assert (gap.idxmin(), gap.idxmax()) == (("Urban100", 2), ("Set5", 8))


def test_fixed_slices_cost_most_where_the_page_says():
    scores = psnr("diif/table4", "table4", "measured")
    gap = (scores["compact-diif"] - scores["compact-diif-wo-ds"]).groupby("scale").mean()
    assert set(gap.nlargest(2).index) == {2, 6}


@pytest.mark.parametrize("scale", [4, 6])
@pytest.mark.parametrize("other", ["DLTE", "MetaSR"])
def test_what_is_faster_than_diif(scale, other):
    ratios = read("diif/table3/ratios.csv").set_index(["times from", "scale"]).loc[("literal", scale)]
    assert ratios[f"EDSR-baseline-{other}"] > ratios["EDSR-baseline-DIIF"]


def test_no_method_is_above_bicubic_under_noise_and_after_jpeg():
    means = read("beyond_bicubic/means.csv")
    assert (means[means["degradation"].isin(["noise", "jpeg"])]["low"] < 0).all()


def test_degradations_move_methods_further_than_they_differ():
    gain = read("beyond_bicubic/means.csv").pivot_table("gain", "model", "degradation")
    for how in ("blur", "noise", "jpeg", "all"):
        assert gain[how].max() - gain[how].min() < (gain["bicubic"] - gain[how]).min()


def test_every_disagreement_of_costs_has_its_note():
    tables = pd.concat(read(f"diif/table{n}/table{n}.csv") for n in (1, 3, 4))
    assert tables[tables["agrees"].eq(False)]["note"].notna().all()


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)\)", PAGE))))
def test_every_linked_file_exists(link):
    assert (paths.RESULTS / link).exists()
