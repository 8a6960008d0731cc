"""Names, labels and colours come from one record a decoder."""

import pytest

import srlib
from srlib.models import DECODERS, DIFFUSION, ENCODERS, TAILS, ModelName, names
from srlib.models.catalogue import labels


def test_every_name_is_made_of_its_parts():
    for name in names():
        part = ModelName.parse(name)
        assert str(part) == name
        assert part.record is not None


@pytest.mark.parametrize(
    "name, encoder, decoder",
    [
        ("compact-diif-wo-ds", "compact", "diif-wo-ds"),
        ("edsr-baseline-x2", "edsr-baseline", "x2"),
        ("bicubic", "", "bicubic"),
        ("idm-small", "", "idm-small"),
        ("my-own", "", "my-own"),
        ("compact-unheard", "", "compact-unheard"),
    ],
)
def test_names_are_parsed(name, encoder, decoder):
    assert ModelName.of(name) == ModelName(encoder, decoder)


def test_an_unknown_name_names_the_nearest():
    with pytest.raises(ValueError, match="unknown model 'compact-dif'; nearest: .*compact-diif"):
        ModelName.parse("compact-dif")


def test_every_record_has_a_label_and_a_colour():
    for record in (*DECODERS.values(), *TAILS.values(), *DIFFUSION.values()):
        assert record.label
        assert len(record.colour) == 7


def test_a_name_in_no_record_has_a_label_and_a_colour_of_its_own():
    assert ModelName.of("long").label == "long"
    assert ModelName.of("long").colour == ModelName.of("long").colour
    assert ModelName.of("long").colour != ModelName.of("short").colour


def test_models_of_one_method_are_told_apart():
    several = ["idm", "idm-small", "compact-liif", "rdn-liif", "compact-x2"]
    told = ["IDM (full size)", "IDM (small)", "LIIF (compact)", "LIIF (rdn)", "EDSR ×2"]
    assert list(labels(several).values()) == told
    assert labels(["rdn-x2", "edsr-baseline-x2"]) == {"rdn-x2": "RDN ×2", "edsr-baseline-x2": "EDSR ×2"}
    assert labels(["idm-small", "sr3-small"]) == {"idm-small": "IDM", "sr3-small": "SR3"}


def test_aliases_go_both_ways():
    assert ModelName.of("rdn-diinn").aliases == ["rdn-diinn-f"]
    assert ModelName.of("rdn-diinn-f").aliases == ["rdn-diinn"]
    assert ModelName.of("rdn-liif").aliases == []


def test_the_table_of_models_names_all_of_them():
    assert srlib.available()["model"].tolist() == list(names())
    assert set(srlib.available()["encoder"]) == {"", *ENCODERS}


@pytest.mark.parametrize(
    "name, family, scale",
    [
        ("compact-diif-wo-ds", "diif", None),
        ("rdn-x3-seed1", "x3", 3),
        ("compact-x234", "x234", None),
        ("rdn-thera-air", "thera", None),
    ],
)
def test_a_name_tells_the_family_and_the_only_scale(name, family, scale):
    part = ModelName.of(name)
    assert (part.family, part.scale) == (family, scale)
