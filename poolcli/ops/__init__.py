"""Numbers only: numpy, no files, no options."""

ONE_THREAD = dict.fromkeys(
    ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
"""For the environment of a program, before numpy is loaded: no matrix is multiplied here, and idle threads cost time."""
