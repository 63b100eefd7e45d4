"""The logarithm of the gamma function as losses need it: what Stirling's formula leaves of it.

With R(x) for what is left,

    log gamma(x) = (x - 1/2) log x - x + log(2 pi) / 2 + R(x),

and R goes to 0 as x grows. In differences of two such logarithms the large terms are taken together
by hand, so that nothing is lost where x is large.
"""

from libc.math cimport log

cdef enum:
    FAR = 10  # from where the series has all digits of a double


cdef inline double gamma_rest(
    double x,        # above 0
    double* slope,   # OUT  its derivative
) noexcept nogil:
    """R(x): from Stirling's series at x + n (Abramowitz and Stegun 1964, 6.1.40 and 6.1.15)."""
    cdef:
        double far = x, product = 1.0, inverses = 0.0, square, rest
        int n = 0
    while far < FAR:  # gamma(x + 1) = x gamma(x)
        product *= far
        inverses += 1.0 / far
        far += 1.0
        n += 1
    square = 1.0 / (far * far)
    rest = (1.0 / 12 - square * (1.0 / 360 - square * (1.0 / 1260 - square * (
        1.0 / 1680 - square * (1.0 / 1188 - square * (691.0 / 360360)))))) / far
    slope[0] = -square * (1.0 / 12 - square * (1.0 / 120 - square * (1.0 / 252 - square * (
        1.0 / 240 - square * (1.0 / 132 - square * (691.0 / 32760))))))
    if n > 0:
        rest += (far - 0.5) * log(far) - (x - 0.5) * log(x) - n - log(product)
        slope[0] += log(far / x) - 0.5 / far + 0.5 / x - inverses
    return rest
