"""The same join in other frameworks, each written the way its own documentation does it.

The programs here run in environments of their own, where only their framework and the standard
library are: they import nothing else of this repository than `task` and `session`.
"""
