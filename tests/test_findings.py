"""results/FINDINGS.md says what is so: every number in it comes from a CSV of the reference run, to the printed digit."""

import math
import re

import pandas as pd
import pytest
from prose import REFERENCE, claim, numbers, of_claim, paragraphs, printed, psnr, read

from srlib import cost
from srlib.models import build
from srlib.util import paths
from srlib.workbook import published

PAGE = (paths.RESULTS / "FINDINGS.md").read_text()


def ends(notebook: str, words: str) -> list[float]:
    """What was measured of a claim, its interval, and the paper's own number where it has one."""
    (row,) = of_claim(notebook, words)[["measured", "low", "high", "published"]].to_numpy(float).tolist()
    return [value for value in row if value == value]


def in_and_out(notebook: str, words: str, rest: str = "") -> list[float]:
    return ends(notebook, f"{words}, in scale{rest}") + ends(notebook, f"{words}, out of scale{rest}")


def quality() -> dict[str, list[float]]:
    scores = psnr("diif/table2", "scores")
    gap = lambda better, worse: scores[f"compact-{better}"] - scores[f"compact-{worse}"]  # noqa: E731
    macs = read("diif/table3/counts.csv").pivot_table("macs", "scale", "model")
    share = 100 * macs["edsr-baseline-diif"] / macs["edsr-baseline-liif"]
    own = {scale: scores.xs(scale, level="scale") for scale in (2, 3, 4)}
    edsr = [(own[scale][f"compact-x{scale}"] - own[scale]["compact-diinn"]).mean() for scale in (2, 3, 4)]
    above = scores.drop(columns="bicubic").sub(scores["bicubic"], axis=0)
    small = "DIINN above {}, in scale: compact-diinn less compact-{}, mean over B100, Set5, Set14, Urban100"
    return {
        "One training of each network": [95],
        "Every model is above bicubic": [above.min().min()],
        "DIIF and LIIF on Set14": [
            *in_and_out("diif/table2", "DIIF above LIIF"),
            *ends("diif/table1", "DIIF above LIIF, out of scale"),
            share[6],
            share[24],
        ],
        "DLTE does not match LTE": in_and_out("diif/table2", "DLTE above LTE"),
        "LTE is above LIIF": in_and_out("diif/table2", "LTE above LIIF"),
        "DIINN is above LIIF and Meta-SR": [gap("diinn", "liif").mean(), gap("diinn", "metasr").mean()],
        "A network of its own for each scale is still better": edsr,
        "By DIINN's own protocol": [
            *ends("diinn/tables", small.format("LIIF", "liif")),
            *ends("diinn/tables", small.format("Meta-SR", "metasr")),
        ],
    }


def ablations() -> dict[str, list[float]]:
    of = "diinn/table5"
    pair = ": compact-diinn-{} less compact-diinn-{}, mean"
    mixing = "{} without mixing position and content above with ({} - {}), in scale"
    return {
        "Slice ensemble gains": in_and_out("diif/table4", "slice ensemble helps"),
        "Linear order gains": in_and_out("diif/table4", "linear order above constant order"),
        "Training at all scales gains": in_and_out("diif/table4", "training at all scales above training at ×4"),
        "Two more fine layers gain": in_and_out("diif/table4", "a deeper fine stage above"),
        "DIINN's modulation": in_and_out(of, "[m z] above [m], without mixing (d - b)", pair.format("d", "b")),
        "DIINN's outputs as inputs": [
            *ends(of, "[s z] above [m z], without mixing (f - d), in scale" + pair.format("f", "d")),
            *ends(of, "[s z] above [m z], with mixing (e - c), in scale" + pair.format("e", "c")),
        ],
        "Leaving out the mixing": [
            number
            for which, one, other in (("[s z]", "f", "e"), ("[m z]", "d", "c"), ("[m]", "b", "a"))
            for number in ends(of, mixing.format(which, one, other))
        ],
    }


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
        "DIIF against LIIF": [1 / ratios[path, scale] for path in ("literal", "fast") for scale in (4, 12)],
        "DIIF's Table 3, order of times": [n for words in pairs for n in (claim("diif/table3", words), of[words])],
        "DIINN's Table 4, order of times": [literal, order(128, "fast"), tie, fast],
    }


def pictures() -> dict[str, list[float]]:
    seams = read("diif/figure7/seams.csv").set_index("model")
    of = lambda model: seams.loc[model, ["seam", "low", "high"]].tolist()  # noqa: E731
    cells = read("bicubic_check/diinn_table1_bicubic.csv").dropna(subset="gap")
    worst = cells.assign(gap=cells["gap"].abs()).groupby(["quantity", "dataset"])["gap"].max()
    (files,) = re.findall(r"LR files that differ, of (\d+)", " ".join(read("bicubic_check/checks.csv")["claim"]))
    return {
        "DIIF leaves seams": [
            *of("compact-diif"),
            seams["images"].max(),
            *of("compact-liif"),
            *of("original"),
            *of("compact-diif-cs"),
            *of("compact-diif-wo-se"),
        ],
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
        "Three photographs leave most of it open": [
            *ends("idm/scales", "idm-small above sr3-small at ×2, ×3.7, ×5.5: PSNR"),
            *ends("idm/scales", "sr3-small is lost at ×2"), *ends("idm/scales", "sr3-small is lost at ×10"),
            *ends("idm/scales", "idm-small above sr3-small at ×10: PSNR"),
        ],
        "What a small model cannot do": [means.loc[(8, "bicubic"), "psnr"] - means.loc[(8, "idm-small"), "psnr"]],
    }  # fmt: skip


def encoder_macs(model: str) -> int:
    return cost.count_macs(build(model), (48, 48), (96, 96), part="encoder")


def later() -> dict[str, list[float]]:
    of = "later/methods"
    air = [ends(of, f"Thera Air above LIIF, {where} scale") for where in ("in", "out of")]
    below = [-number for measured, low, high, _ in air for number in (measured, high, low)]
    return {
        "LM-LIIF keeps LIIF's quality": in_and_out(of, "LM-LIIF not inferior to LIIF at its lower cost"),
        "SRNO is above LIIF": in_and_out(of, "SRNO above LIIF") + in_and_out(of, "SRNO above LTE"),
        "Thera Air is below LIIF": [*below, air[0][3], air[1][3]],
        "SwinIR has no small weights": [encoder_macs("swinir-liif") / encoder_macs("compact-liif"), 32],
    }


def verdicts() -> dict[str, list[float]]:
    ratio = "DIIF more than 10 times as fast as LIIF from ×12 on, both {}"
    layers = read("train/health.csv").set_index("model")["layers"]
    many = (read("train/health.csv")["worst"] > 0.1).sum()
    most = lambda model: max(int(n) for n in re.findall(r"(\d+) of 64", layers[model]))  # noqa: E731
    return {
        "A unit that is positive nowhere": [many, len(layers), most("compact-diinn-d"), 64, most("compact-diinn-b"), 64, 100],
        "DIIF more than 10 times as fast as LIIF": [
            10, *(claim("diif/table3", ratio.format(path)) for path in ("literal", "fast")),
        ],
    }  # fmt: skip


FINDINGS = quality() | ablations() | costs() | speed() | pictures() | beyond_bicubic() | idm() | later() | verdicts()


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
    assert table("| | confirmed | contradicted | inconclusive | not comparable | not measured |") == counted


SCORES = psnr("diif/table2", "scores")


@pytest.mark.parametrize("better, worse", [("lte", "liif"), ("diinn", "liif"), ("diinn", "metasr")])
def test_in_every_cell(better, worse):
    assert (SCORES[f"compact-{better}"] > SCORES[f"compact-{worse}"]).all()


@pytest.mark.parametrize("model", ["compact-lte", "compact-diinn"])
@pytest.mark.parametrize("scale", [2, 3])
def test_a_network_of_its_own_is_better(model, scale):
    at = SCORES.xs(scale, level="scale")
    assert (at[f"compact-x{scale}"] > at[model]).all()


CLAIMS = read("claims/claims.csv")
JUDGED = CLAIMS[CLAIMS["verdict"].isin(["confirmed", "contradicted", "inconclusive"])]


def test_no_verdict_is_contradicted_by_its_interval():
    """Worked out here from low, high, least and most alone."""
    for row in JUDGED.itertuples():
        low, high = (-math.inf, math.inf) if math.isnan(row.low) else (row.low, row.high)
        least = -math.inf if math.isnan(row.least) else row.least
        most = math.inf if math.isnan(row.most) else row.most
        within, outside = low >= least and high <= most, high < least or low > most
        expected = "confirmed" if within else "contradicted" if outside else "inconclusive"
        assert row.verdict == expected, row.claim


def test_every_claim_has_its_place_and_every_contradiction_its_cause():
    assert CLAIMS["place"].notna().all()
    assert (CLAIMS.loc[CLAIMS["verdict"] == "contradicted", "cause"] == "not known").all()
    assert CLAIMS.loc[CLAIMS["verdict"].isin(["not comparable", "not measured"]), "note"].notna().all()
    assert CLAIMS["margin"].dropna().isin(published.margins()["name"]).all()


def test_which_decoders_have_many_dead_units():
    health = read("train/health.csv").set_index("model")
    few = health[health["worst"] <= 0.1].index
    assert set(few) == {"compact-diinn-c", "compact-diinn-e"}
    assert health.drop(index=few)["note"].str.startswith("dead: ").all()


def test_what_is_said_of_diif_in_scale_and_beyond():
    verdict = CLAIMS[CLAIMS["notebook"] == "diif/table2"].assign(said=lambda rows: rows["claim"].str.split(":").str[0])
    verdict = verdict.set_index("said")["verdict"]
    assert verdict["DIIF above LIIF, in scale"] == "contradicted"
    assert verdict["DIIF not inferior to LIIF at its lower cost, out of scale"] == "confirmed"


@pytest.mark.parametrize("scale", [4, 6])
@pytest.mark.parametrize("other", ["DLTE", "MetaSR"])
def test_what_is_faster_than_diif(scale, other):
    ratios = read("diif/table3/ratios.csv").set_index(["times from", "scale"]).loc[("literal", scale)]
    assert ratios[f"EDSR-baseline-{other}"] < ratios["EDSR-baseline-DIIF"]


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
