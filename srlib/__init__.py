"""srlib: arbitrary-scale super-resolution, the models and measures of the workbook."""

__version__ = "0.1.0"
