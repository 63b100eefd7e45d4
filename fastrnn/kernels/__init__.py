"""The compiled kernels: what runs at every time step, on packed rows."""

import pkgutil

if not any(pkgutil.iter_modules(__path__)):
    raise ImportError(
        "fastrnn's compiled modules are missing: you are probably in its source folder; "
        "run `pip install -e .` there, or leave the folder to use the installed package"
    )
