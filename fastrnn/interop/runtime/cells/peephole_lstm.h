/* LSTM with peepholes. With the gates i, f, g, o side by side in a:

     a = x W + h' U + b
     c = sigmoid(f + p_f c') c' + sigmoid(i + p_i c') tanh(g)
     h = sigmoid(o + p_o c) tanh(c)

   where h' and c' are h and c of the step before, and p_i, p_f, p_o stand side by side in p. */

#include "../example.h"

INLINE void step_peephole_lstm(const layer_type *layer, const float *x, float *h)
{
    const int H = layer->H;
    const float *p = layer->p;
    float a[4 * H_LARGEST], *c = h + H;

    set(a, layer->b, 4 * H);
    multiply(a, 4 * H, x, layer->D, layer->W, 4 * H, 0);
    multiply(a, 4 * H, h, H, layer->U, 4 * H, 0);
    for (int j = 0; j < H; j++) {
        const float i = sigmoid(a[j] + p[j] * c[j]);
        const float f = sigmoid(a[H + j] + p[H + j] * c[j]);
        const float g = tanhf(a[2 * H + j]);

        c[j] = f * c[j] + i * g;
        h[j] = sigmoid(a[3 * H + j] + p[2 * H + j] * c[j]) * tanhf(c[j]);
    }
}
