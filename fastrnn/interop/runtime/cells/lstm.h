/* LSTM. With the gates i, f, g, o side by side in a:

     a = x W + h' U + b
     c = sigmoid(f) c' + sigmoid(i) tanh(g)
     h = sigmoid(o) tanh(c)

   where h' and c' are h and c of the step before. */

#include "../example.h"

INLINE void step_lstm(const layer_type *layer, const float *x, float *h)
{
    const int H = layer->H;
    float a[4 * H_LARGEST], *c = h + H;

    set(a, layer->b, 4 * H);
    multiply(a, 4 * H, x, layer->D, layer->W, 4 * H, 0);
    multiply(a, 4 * H, h, H, layer->U, 4 * H, 0);
    for (int j = 0; j < H; j++) {
        const float i = sigmoid(a[j]);
        const float f = sigmoid(a[H + j]);
        const float g = tanhf(a[2 * H + j]);
        const float o = sigmoid(a[3 * H + j]);

        c[j] = f * c[j] + i * g;
        h[j] = o * tanhf(c[j]);
    }
}
