"""Fit the polynomials of fastrnn/kernels/vector_math.h and print them as C constants.

exp(r) - 1 = r + r^2 q(r) on |r| <= ln 2 / 2. q interpolates (exp(r) - 1 - r) / r^2 at the zeros of
a Chebyshev polynomial, in 60-digit decimals, which is within a small factor of the best polynomial
of its degree. Needs the standard library only:

    python tools/fit_exp.py
"""

import struct
from decimal import Decimal, getcontext
from math import cos, pi

getcontext().prec = 60
HALF_WIDTH = Decimal("0.3466")  # a little more than ln 2 / 2


def quotient(r):
    """(exp(r) - 1 - r) / r^2 by its series, exact to the precision of the context."""
    total = term = Decimal("0.5")
    for k in range(3, 40):
        term = term * r / k
        total += term
    return total


def interpolate(degree):
    """Coefficients c[0] … c[degree] of the polynomial through the Chebyshev points."""
    points = [
        HALF_WIDTH * Decimal(cos(pi * (2 * k + 1) / (2 * degree + 2))) for k in range(degree + 1)
    ]
    table = [quotient(r) for r in points]
    for order in range(1, degree + 1):  # divided differences, in place
        for k in range(degree, order - 1, -1):
            table[k] = (table[k] - table[k - 1]) / (points[k] - points[k - order])
    coefficients = [table[degree]]
    for k in range(degree - 1, -1, -1):  # Newton form to powers of r
        shifted = [Decimal(0), *coefficients]
        scaled = [-points[k] * c for c in coefficients] + [Decimal(0)]
        coefficients = [a + b for a, b in zip(shifted, scaled, strict=True)]
        coefficients[0] += table[k]
    return coefficients


def as_float32(value):
    """The float32 nearest to a number."""
    return struct.unpack("f", struct.pack("f", float(value)))[0]


def c_constant(value):
    """A hexadecimal literal without trailing zeros."""
    mantissa, exponent = float(value).hex().split("p")
    mantissa = mantissa.rstrip("0")
    return f"{mantissa}0p{exponent}" if mantissa.endswith(".") else f"{mantissa}p{exponent}"


def constants():
    """The C constants by type, highest power first, as vector_math.h holds them."""
    return {
        "float": [c_constant(as_float32(c)) + "f" for c in reversed(interpolate(4))],
        "double": [c_constant(c) for c in reversed(interpolate(10))],
    }


if __name__ == "__main__":
    for name, values in constants().items():
        print(name)
        for value in values:
            print("   ", value)
