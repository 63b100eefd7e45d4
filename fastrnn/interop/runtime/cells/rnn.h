/* Plain recurrent layer:

     h = f(x W + h' U + b), f = tanh or relu

   where h' is h of the step before. */

#include "../example.h"

INLINE void step_rnn(const layer_type *layer, const float *x, float *h)
{
    const int H = layer->H;
    float a[H_LARGEST];

    set(a, layer->b, H);
    multiply(a, H, x, layer->D, layer->W, H, 0);
    multiply(a, H, h, H, layer->U, H, 0);
    for (int j = 0; j < H; j++) {
#ifdef ACTIVATION_RELU
        h[j] = a[j] < 0.0f ? 0.0f : a[j];
#else
        h[j] = tanhf(a[j]);
#endif
    }
}
