"""The affine map y = x W + b, forward and backward: the head of a network."""

from cython cimport floating

from fastrnn.kernels.recurrence cimport add_parameter_gradients, project


def dense_forward(
    const floating[:, ::1] x,   # IN   (N, D)
    const floating[:, ::1] W,   # IN   (D, K)
    const floating[::1] b,      # IN   (K,)
    floating[:, ::1] y,         # OUT  (N, K)
):
    """y = x @ W + b"""
    with nogil:
        project(x.shape[0], x.shape[1], W.shape[1], &x[0, 0], &W[0, 0], &b[0], &y[0, 0])


def dense_backward(
    const floating[:, ::1] x,    # IN     (N, D)
    const floating[:, ::1] W,    # IN     (D, K)
    const floating[:, ::1] dy,   # IN     (N, K)
    floating[:, ::1] dx,         # OUT    (N, D)
    floating[:, ::1] dW,         # INOUT  (D, K), added to
    floating[::1] db,            # INOUT  (K,), added to
):
    """The gradients of `dense_forward`."""
    with nogil:
        add_parameter_gradients(
            x.shape[0], x.shape[1], W.shape[1], &x[0, 0], &W[0, 0], &dy[0, 0], &dx[0, 0],
            &dW[0, 0], &db[0])
