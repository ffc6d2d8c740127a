"""The report: one page with the experiments of a tree. `collect` reads, `page` writes."""
