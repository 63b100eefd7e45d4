/* The units of numbers. */

#include "example.h"

/* Number k of a step, which may be a small difference from a large center, on the scale of the
   network. */
static inline float in_units(float x, int k)
{
#if CENTERED
    return (float)(((double)x - number_center[k]) / number_factor[k]);
#else
    (void)k;
    return x;
#endif
}
