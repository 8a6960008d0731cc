"""The book: a site made from the results of a run. Its pages lie in `book/`; here is what fills and builds them.

results: what a run left behind. notebooks: a page for each. html: tables, lists of claims, origins. figures: drawings.
census: what a decoder computes at which resolution. build: all together, by Sphinx.
"""
