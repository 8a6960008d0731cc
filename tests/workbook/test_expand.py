"""The measurements that follow from a notebook's record."""

from srlib.workbook import expand, plan
from srlib.workbook.measure import Count, Drawn, Enlarged, Lab, PathError, Quality, Time


def test_requests_are_of_what_is_at_hand(set5):
    lab = Lab()
    made = list(
        expand.requests(plan.plan("diif/table2", "quick", {"models": ["bicubic", "compact-x4", "rdn-liif"]}), lab)
    )
    assert {(r.model, r.dataset) for r in made if r.dataset != "embedded"} == {
        ("bicubic", "Set5"),
        ("compact-x4", "Set5"),
    }
    assert {r.scale for r in made if r.model == "compact-x4"} == {4.0}
    assert all(isinstance(r, Quality) for r in made)
    assert {r.limit for r in made if r.dataset == "embedded"} == {2}


def test_networks_with_fixed_scales_are_left_out_where_the_protocol_does_not_suit_them(set5):
    plans = plan.plan("diinn/tables", "quick", {"models": ["compact-x2"]})
    assert list(expand.requests(plans, Lab())) == []


def test_every_kind_of_block_gives_its_requests():
    lab = Lab()
    kinds = {type(r) for r in expand.requests(plan.plan("diif/table3", "smoke"), lab)}
    assert {Count, Time} < kinds
    pictures = list(expand.requests(plan.plan("diinn/figure4", "smoke", {"models": ["bicubic"]}), lab))
    assert [(type(r), r.scale) for r in pictures] == [(Enlarged, 2.0), (Enlarged, 6.283185307179586)]
    drawings = list(expand.requests(plan.plan("idm/sampling", "smoke", {"models": ["bicubic"]}), lab))
    assert {type(r) for r in drawings} == {Drawn}


def test_the_quickstart_is_of_the_image_and_scale_that_it_names():
    changes = {"models": ["bicubic", "compact-diif", "compact-x3"], "image": "coffee", "scale": 3}
    made = list(expand.requests(plan.plan("quickstart", "smoke", changes), Lab()))
    assert {(r.image, r.shrink) for r in made} == {("coffee", 3.0)}
    assert [r.model for r in made if isinstance(r, Enlarged)] == ["bicubic", "compact-diif", "compact-x3"]
    (paths,) = [r for r in made if isinstance(r, PathError)]
    assert (paths.model, paths.patch, paths.size) == ("compact-diif", (0, 0, 40, 40), (133, 147))


def test_jobs_are_of_one_model_set_and_protocol(set5):
    plans = [plan.plan("diif/table2", "quick", {"models": ["bicubic"]}), plan.plan("bicubic_check", "quick")]
    jobs = expand.jobs(plans, Lab())
    assert [r.scale for r in jobs["bicubic on Set5, benchmark-y"] if isinstance(r, Quality)] == [2, 4, 8, 3]
    assert {r.scale for r in jobs["bicubic on Set5, diinn"]} == {2, 3, 4}
