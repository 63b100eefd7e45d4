/* LSTM with layer normalization. With the gates i, f, g, o side by side in a, and N(v) for v less
   its mean, divided by the root of its variance and 1e-5:

     a = g_x N(x W) + g_h N(h' U) + b
     c = sigmoid(f) c' + sigmoid(i) tanh(g)
     h = sigmoid(o) tanh(g_c N(c) + b_c)

   where h' and c' are h and c of the step before. */

#include "../example.h"

/* y += gain N(v) */
INLINE void add_normalized(float *restrict y, const float *restrict gain, const float *restrict v,
                           int n)
{
    float mean = 0.0f, variance = 0.0f;

    for (int j = 0; j < n; j++)
        mean += v[j] / (float)n;
    for (int j = 0; j < n; j++)
        variance += (v[j] - mean) * (v[j] - mean) / (float)n;
    for (int j = 0; j < n; j++)
        y[j] += gain[j] * (v[j] - mean) / sqrtf(variance + 1e-5f);
}

INLINE void step_layernorm_lstm(const layer_type *layer, const float *x, float *h)
{
    const int H = layer->H;
    float a[4 * H_LARGEST], product[4 * H_LARGEST], z[H_LARGEST], *c = h + H;

    set(a, layer->b, 4 * H);
    fill(product, 0.0f, 4 * H);
    multiply(product, 4 * H, x, layer->D, layer->W, 4 * H, 0);
    add_normalized(a, layer->g_x, product, 4 * H);
    fill(product, 0.0f, 4 * H);
    multiply(product, 4 * H, h, H, layer->U, 4 * H, 0);
    add_normalized(a, layer->g_h, product, 4 * H);
    for (int j = 0; j < H; j++)
        c[j] = sigmoid(a[H + j]) * c[j] + sigmoid(a[j]) * tanhf(a[2 * H + j]);
    set(z, layer->b_c, H);
    add_normalized(z, layer->g_c, c, H);
    for (int j = 0; j < H; j++)
        h[j] = sigmoid(a[3 * H + j]) * tanhf(z[j]);
}
