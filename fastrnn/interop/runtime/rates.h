/* Outputs that are above 0. */

#include "example.h"

#if SOFTPLUS
/* log(1 + exp(z)) */
static float positive(float z)
{
    return (z > 0.0f ? z : 0.0f) + log1pf(expf(-fabsf(z)));
}
#else
/* exp(z), but from STEEPEST on the tangent there: nothing overflows. */
static float positive(float z)
{
    return z < STEEPEST ? expf(z) : expf(STEEPEST) * (1.0f + z - STEEPEST);
}
#endif
