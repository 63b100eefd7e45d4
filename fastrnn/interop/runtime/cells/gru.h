/* GRU. With r, z, n side by side in a:

     a = x W + b
     r = sigmoid(a_r + h' U_r)
     z = sigmoid(a_z + h' U_z)
     n = tanh(a_n + r (h' U_n + b_n)), or with the reset gate before the product
     n = tanh(a_n + (r h') U_n + b_n)
     h = (1 - z) n + z h'

   where h' is h of the step before. */

#include "../example.h"

#if RESET_AFTER

INLINE void step_gru(const layer_type *layer, const float *x, float *h)
{
    const int H = layer->H;
    float a[3 * H_LARGEST], q[3 * H_LARGEST]; /* q = h' U */

    set(a, layer->b, 3 * H);
    multiply(a, 3 * H, x, layer->D, layer->W, 3 * H, 0);
    fill(q, 0.0f, 3 * H);
    multiply(q, 3 * H, h, H, layer->U, 3 * H, 0);
    for (int j = 0; j < H; j++) {
        const float r = sigmoid(a[j] + q[j]);
        const float z = sigmoid(a[H + j] + q[H + j]);
        const float n = tanhf(a[2 * H + j] + r * (q[2 * H + j] + layer->b_n[j]));

        h[j] = n + z * (h[j] - n);
    }
}

#else

INLINE void step_gru(const layer_type *layer, const float *x, float *h)
{
    const int H = layer->H;
    float a[3 * H_LARGEST], rh[H_LARGEST]; /* rh = r h' */

    set(a, layer->b, 3 * H);
    multiply(a, 3 * H, x, layer->D, layer->W, 3 * H, 0);
    multiply(a, 2 * H, h, H, layer->U, 3 * H, 0);
    for (int j = 0; j < H; j++)
        rh[j] = sigmoid(a[j]) * h[j];
    multiply(a + 2 * H, H, rh, H, layer->U, 3 * H, 2 * H);
    for (int j = 0; j < H; j++) {
        const float z = sigmoid(a[H + j]);
        const float n = tanhf(a[2 * H + j] + layer->b_n[j]);

        h[j] = n + z * (h[j] - n);
    }
}

#endif
