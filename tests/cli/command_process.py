"""The command in a process of its own, as ``python -m fastrnn`` starts it.

There is neither scikit-learn nor matplotlib, which it does not need: their import takes longer than
most tests.
"""

AS_MODULE = (
    "import runpy, sys; sys.modules.update(sklearn=None, matplotlib=None); "
    "runpy.run_module('fastrnn', run_name='__main__', alter_sys=True)"
)
