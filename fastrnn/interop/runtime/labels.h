/* Labels of a sequence, at steps that nobody knows: what the likeliest outputs say. */

#include "example.h"

/* Go on with the likeliest output for the last layer's state: the number of the label that is new
   with it, or -1 if there is none. */
static int hear(stream_type *stream)
{
    const float *h = stream->state + STATE_SIZE - N_STATES * H_TOP;
    const int before = stream->path;
    float y[N_OUTPUTS];
    int best = 0;

    set(y, by, N_OUTPUTS);
    multiply(y, N_OUTPUTS, h, H_TOP, head[0], N_OUTPUTS, 0);
    for (int k = 1; k < N_OUTPUTS; k++)
        if (y[k] > y[best])
            best = k;
    stream->path = best;
    return best == before || best == BLANK ? -1 : best;
}
