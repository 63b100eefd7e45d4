"""Every accepted X, series, frame and text becomes a ragged container; faults are found here.

So do labels and weights of steps. Labels, numbers and weights of whole sequences are read in
`fastrnn.estimators.targets`.
"""
