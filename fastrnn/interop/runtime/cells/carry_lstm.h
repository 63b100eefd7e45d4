/* LSTM with a carry gate. With the gates i, f, g, o, v side by side in a:

     a = x W + h' U + b
     c = sigmoid(f) c' + sigmoid(i) s(g), s = sigmoid or tanh
     h = sigmoid(o) tanh(c) + sigmoid(v) h'

   where h' and c' are h and c of the step before. */

#include "../example.h"

INLINE void step_carry_lstm(const layer_type *layer, const float *x, float *h)
{
    const int H = layer->H;
    float a[5 * H_LARGEST], *c = h + H;

    set(a, layer->b, 5 * H);
    multiply(a, 5 * H, x, layer->D, layer->W, 5 * H, 0);
    multiply(a, 5 * H, h, H, layer->U, 5 * H, 0);
    for (int j = 0; j < H; j++) {
        const float i = sigmoid(a[j]);
        const float f = sigmoid(a[H + j]);
#ifdef CANDIDATE_ACTIVATION_TANH
        const float g = tanhf(a[2 * H + j]);
#else
        const float g = sigmoid(a[2 * H + j]);
#endif
        const float o = sigmoid(a[3 * H + j]);
        const float v = sigmoid(a[4 * H + j]);

        c[j] = f * c[j] + i * g;
        h[j] = o * tanhf(c[j]) + v * h[j];
    }
}
