"""Reports: their data, pages, signatures, and the check of a signed report."""
