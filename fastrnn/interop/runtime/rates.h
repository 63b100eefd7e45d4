/* Rates, which are above 0. */

#include "functions.h"

/* exp(z), but from STEEPEST on the tangent there: nothing overflows. */
static float rate(float z)
{
    return z < STEEPEST ? expf(z) : expf(STEEPEST) * (1.0f + z - STEEPEST);
}
