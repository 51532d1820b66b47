"""Records of fits, and the verbs that make them.

Records write and read themselves: `result` (its report's words in `result_words`), `draws`, `fits`, `card`; `load` and
`read_file` find the one that a file holds; `bibtex` is what to cite. Verbs: `fit` and `fit_many` go through `options`
(what a fit is told), `fit_stack` (all tables of a stack) and `pending` (a record made when it is looked at); groups of
a table through `grouping` and `fit_groups`, those of more than one machine through `blocks` and `dask_workers`;
`chains`, `bootstrap`, `posterior`, `rescaling`. `pooling/` fits groups that share parameters.
"""
