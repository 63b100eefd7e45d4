/* Products of pairs by AMX, whose registers are tiles: up to 16 rows of 16 numbers of float, or of
   16 pairs. Included by bfloat16.h, for which pairs.h packs.

   Of the eight tiles four are sums: two by two where there are more than 16 rows, which takes the
   fewest loads, else four side by side, which is a panel. A panel's rows are those of a tile of the
   second factor; the first factor has its numbers in rows, also where it enters transposed. A depth
   that is no more than one tile's may be anything, a larger one is of whole tiles.

   A sum runs over the tiles of K in order, and in each over the first of all pairs, then the
   second, before they are added: its bits are not those of pairs alone, and depend on K alone, as
   there. */

enum { TILE = 16, PANEL = 4 * TILE };

/* One product of those that a result is the sum of. */
typedef struct {
    int64_t K; /* pairs */
    const float *A;
    int64_t lda;
    const float *packed;
} tile_factors;

/* What LDTILECFG reads. */
typedef struct {
    uint8_t palette, first_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_shapes;

static void set_shape(tile_shapes *shapes, int tile, int64_t rows, int64_t columns)
{
    shapes->rows[tile] = (uint8_t)(columns > 0 ? rows : 0);
    shapes->row_bytes[tile] = (uint16_t)(rows > 0 && columns > 0 ? 4 * columns : 0);
}

/* y (width, n), row stride y_stride = the transpose of x (n, 16); both are at most 16. */
static TARGET void NAME(store_transposed)(const float *x, int64_t n, int64_t width, float *y,
                                          int64_t y_stride)
{
    const __m512i lines =
        _mm512_mullo_epi32(_mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
                           _mm512_set1_epi32(TILE));
    for (int64_t m = 0; m < width; m++)
        NAME(store)(y + m * y_stride, (vec)_mm512_i32gather_ps(lines, x + m, 4), n);
}

/* The first factor that enters transposed: left (M, depth) from pair first / 2 on = A (rows, M), as
   in panels.h. Threads may fill the halves of one pair. */
static TARGET void NAME(pack_left_tiles)(int64_t rows, int64_t M, const float *A, int64_t lda,
                                         const float *mask, int64_t K, int64_t first, int64_t depth,
                                         float *left)
{
    float pairs[TILE * TILE];
    int64_t step;
    for (int64_t row = 0; row < rows; row += step) {
        const int64_t k = first + row;
        const float *a = A + row * lda, *factor = mask ? mask + row * M : 0;
        if (k % 2 || row + 1 == rows) {
            step = 1;
            for (int64_t m = 0; m < M; m++)
                NAME(put_half)(left + m * depth + k / 2, k % 2, factor ? a[m] * factor[m] : a[m]);
            continue;
        }
        step = rows - row < 2 * TILE ? (rows - row) / 2 * 2 : 2 * TILE;
        for (int64_t m = 0; m < M; m += TILE) {
            const int64_t width = M - m < TILE ? M - m : TILE;
            for (int64_t i = 0; i < step; i += 2) {
                vec even = NAME(load)(a + i * lda + m, width);
                vec odd = NAME(load)(a + (i + 1) * lda + m, width);
                if (factor) {
                    even *= NAME(load)(factor + i * M + m, width);
                    odd *= NAME(load)(factor + (i + 1) * M + m, width);
                }
                NAME(store)(pairs + i / 2 * TILE, NAME(pairs_of)(even, odd), TILE);
            }
            NAME(store_transposed)(pairs, step / 2, width, left + m * depth + k / 2, depth);
        }
    }
    if (first + rows < K)
        return;
    for (int64_t m = 0; m < M; m++) { /* what is beyond K */
        if (K % 2)
            NAME(put_half)(left + m * depth + K / 2, 1, 0);
        for (int64_t k = (K + 1) / 2; k < depth; k++)
            left[m * depth + k] = 0;
    }
}

#undef TARGET
#define TARGET __attribute__((target("amx-tile,amx-bf16")))
/* Loads of the compiler's header do not say that they read memory: this keeps what was written
   before them. */
#define WRITE_ALL() __asm__ volatile("" ::: "memory")

INLINE int64_t NAME(at_most)(int64_t n, int64_t limit)
{
    return n < 0 ? 0 : n < limit ? n : limit;
}

/* Shape the tiles for sums of so many rows and columns: 0 to 3 are the sums, 4 and 5 of the first
   factor and 6 and 7 of the second where there are more than 16 rows, else 4 of the first and 5 to
   7 of the second, 7 for the last columns. */
static TARGET void NAME(shape_tiles)(int64_t rows, int64_t columns, int64_t depth)
{
    const int is_tall = rows > TILE;
    const int64_t below = rows - TILE, last = (columns - 1) % TILE + 1;
    const int64_t whole = is_tall ? NAME(at_most)(columns, TILE) : TILE;
    tile_shapes shapes = {.palette = 1};
    for (int i = 0; i < 4; i++) {
        int64_t column = TILE * (is_tall ? i % 2 : i);
        set_shape(&shapes, i, is_tall && i >= 2 ? below : NAME(at_most)(rows, TILE),
                  NAME(at_most)(columns - column, TILE));
    }
    set_shape(&shapes, 4, NAME(at_most)(rows, TILE), depth);
    set_shape(&shapes, 5, is_tall ? below : depth, is_tall ? depth : TILE);
    set_shape(&shapes, 6, depth, whole);
    set_shape(&shapes, 7, depth, last);
    _tile_loadconfig(&shapes);
}

#define LOAD(tile, p, stride) _tile_loadd(tile, p, (stride) * (int64_t)sizeof(float))
#define STORE(tile, p, stride) _tile_stored(tile, p, (stride) * (int64_t)sizeof(float))
#define BEGIN(tile, p)                                                                             \
    if (start)                                                                                     \
        LOAD(tile, p, start_stride);                                                               \
    else                                                                                           \
        _tile_zero(tile);

/* C = start + the products, for 17 to 32 rows and 1 to 32 columns. */
static TARGET void NAME(tall_block)(int64_t columns, const tile_factors *f, const float *start,
                                    int64_t start_stride, float *C, int64_t ldc)
{
    const float *below = start ? start + TILE * start_stride : 0;
    int is_wide = columns > TILE;
    BEGIN(0, start)
    BEGIN(2, below)
    if (is_wide) {
        BEGIN(1, start + TILE)
        BEGIN(3, below + TILE)
    }
    for (int i = 0; i < 2; i++, f++)
        for (int64_t k = 0; k < f->K; k += TILE) {
            LOAD(4, f->A + k, f->lda);
            LOAD(6, f->packed + k * PANEL, PANEL);
            LOAD(5, f->A + k + TILE * f->lda, f->lda);
            if (is_wide)
                LOAD(7, f->packed + k * PANEL + TILE, PANEL);
            _tile_dpbf16ps(0, 4, 6);
            _tile_dpbf16ps(2, 5, 6);
            if (is_wide) {
                _tile_dpbf16ps(1, 4, 7);
                _tile_dpbf16ps(3, 5, 7);
            }
        }
    STORE(0, C, ldc);
    STORE(2, C + TILE * ldc, ldc);
    if (is_wide) {
        STORE(1, C + TILE, ldc);
        STORE(3, C + TILE * ldc + TILE, ldc);
    }
}

/* The same for 1 to 16 rows and 1 to 64 columns. */
static TARGET void NAME(wide_block)(int64_t columns, const tile_factors *f, const float *start,
                                    int64_t start_stride, float *C, int64_t ldc)
{
#define EACH_VECTOR(DO)                                                                            \
    if (columns <= TILE) {                                                                         \
        DO(0, 7)                                                                                   \
    } else {                                                                                       \
        DO(0, 5)                                                                                   \
        if (columns <= 2 * TILE) {                                                                 \
            DO(1, 7)                                                                               \
        } else {                                                                                   \
            DO(1, 6)                                                                               \
            if (columns <= 3 * TILE) {                                                             \
                DO(2, 7)                                                                           \
            } else {                                                                               \
                DO(2, 5)                                                                           \
                DO(3, 7)                                                                           \
            }                                                                                      \
        }                                                                                          \
    }
#define BEGIN_VECTOR(j, tile) BEGIN(j, start + (j) * TILE)
#define ADD_VECTOR(j, tile)                                                                        \
    LOAD(tile, f->packed + k * PANEL + (j) * TILE, PANEL);                                         \
    _tile_dpbf16ps(j, 4, tile);
#define STORE_VECTOR(j, tile) STORE(j, C + (j) * TILE, ldc);
    EACH_VECTOR(BEGIN_VECTOR)
    for (int i = 0; i < 2; i++, f++)
        for (int64_t k = 0; k < f->K; k += TILE) {
            LOAD(4, f->A + k, f->lda);
            EACH_VECTOR(ADD_VECTOR)
        }
    EACH_VECTOR(STORE_VECTOR)
}

/* C = start + the products: half a panel at a time stays in a first-level cache while all rows pass
   by. */
static TARGET void NAME(all_blocks)(int64_t M, int64_t N, const tile_factors f[2],
                                    const float *start, int64_t start_stride, float *C, int64_t ldc)
{
    const int64_t depth = NAME(at_most)(f[0].K, TILE), step = M > TILE ? 2 * TILE : PANEL;
    int64_t shaped_rows = 0, shaped_columns = 0;
    WRITE_ALL();
    for (int64_t column = 0; column < N; column += step)
        for (int64_t m = 0; m < M; m += 2 * TILE) {
            const int64_t rows = NAME(at_most)(M - m, 2 * TILE);
            const int64_t columns = NAME(at_most)(N - column, step);
            tile_factors here[2];
            for (int i = 0; i < 2; i++) {
                here[i] = f[i];
                here[i].A += m * f[i].lda;
                here[i].packed += column / PANEL * PANEL * f[i].K + column % PANEL;
            }
            if (rows != shaped_rows || columns != shaped_columns)
                NAME(shape_tiles)(shaped_rows = rows, shaped_columns = columns, depth);
            (rows > TILE ? NAME(tall_block) : NAME(wide_block))(
                columns, here, start ? start + m * start_stride + column : 0, start_stride,
                C + m * ldc + column, ldc);
        }
    _tile_release();
}

/* As in product.h, and so are the next. */
static void NAME(tile_product)(int64_t M, int64_t N, int64_t K, const float *A, int64_t lda,
                               const float *packed, const float *start, int64_t start_stride,
                               float *C, int64_t ldc)
{
    const tile_factors f[2] = {{K, A, lda, packed}};
    if (N > NAME(narrow))
        NAME(all_blocks)(M, N, f, start, start_stride, C, ldc);
    else
        NAME(product)(M, N, K, A, lda, packed, start, start_stride, C, ldc);
}

static void NAME(tile_product_pair)(int64_t M, int64_t N, int64_t K, const float *A, int64_t lda,
                                    const float *packed, int64_t K2, const float *A2, int64_t lda2,
                                    const float *packed2, const float *start, int64_t start_stride,
                                    float *C, int64_t ldc)
{
    const tile_factors f[2] = {{K, A, lda, packed}, {K2, A2, lda2, packed2}};
    if (N > NAME(narrow) && (K == K2 || (K >= TILE && K2 >= TILE))) {
        NAME(all_blocks)(M, N, f, start, start_stride, C, ldc);
        return;
    }
    NAME(tile_product)(M, N, K, A, lda, packed, start, start_stride, C, ldc);
    NAME(tile_product)(M, N, K2, A2, lda2, packed2, C, ldc, C, ldc);
}

static void NAME(tile_product_transposed)(int64_t M, int64_t N, int64_t K, const float *left,
                                          const float *packed, float *C, int64_t ldc)
{
    const tile_factors f[2] = {{K, left, K, packed}};
    NAME(all_blocks)(M, N, f, C, ldc, C, ldc);
}

static const table_float table_tiles = {
    .panel = PANEL,
    .pack = NAME(pack),
    .pack_transposed = NAME(pack_transposed),
    .pack_panels = NAME(pack_panels),
    .pack_left_panels = NAME(pack_left_tiles),
    .product = NAME(tile_product),
    .product_pair = NAME(tile_product_pair),
    .product_transposed = NAME(tile_product_transposed),
};

#undef BEGIN
#undef LOAD
#undef STORE
#undef WRITE_ALL
#undef EACH_VECTOR
#undef BEGIN_VECTOR
#undef ADD_VECTOR
#undef STORE_VECTOR
