"""Records of fits, and the verbs that make them.

Records: `result`, `draws`, `fits`, `card`; their files: `formats`, `load`. Verbs: `fit`, `fit_many`, `chains`,
`bootstrap`, `posterior`; all go through `options` and `fit_stack`.
"""
