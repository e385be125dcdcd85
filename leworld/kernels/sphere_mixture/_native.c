/* What discrepancy needs: the samples centred, then value and slopes of all pairs from their inner products.
 *
 * A table row holds four cubic coefficients of a function of the distance and four of its derivative by the squared
 * distance; `inverse` rows cover a unit of distance. Sums are taken in double precision.
 */
#include <math.h>
#include <string.h>

#define LANES 8
#define CHUNK 256

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef int ints __attribute__((vector_size(4 * LANES)));

#ifdef __clang__
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (ints){__VA_ARGS__})
#endif
#define LOW(a, b) SHUFFLE(a, b, 0, 8, 1, 9, 4, 12, 5, 13)
#define HIGH(a, b) SHUFFLE(a, b, 2, 10, 3, 11, 6, 14, 7, 15)
#define EVEN(a, b) SHUFFLE(a, b, 0, 1, 8, 9, 4, 5, 12, 13)
#define ODD(a, b) SHUFFLE(a, b, 2, 3, 10, 11, 6, 7, 14, 15)
#define FIRST(a, b) SHUFFLE(a, b, 0, 1, 2, 3, 8, 9, 10, 11)
#define SECOND(a, b) SHUFFLE(a, b, 4, 5, 6, 7, 12, 13, 14, 15)

static float squared_norm(const float *x, long dim)
{
    vec sums[2] = {{0}}, v;
    float total = 0.0f;
    long d = 0;
    for (; d + 2 * LANES <= dim; d += 2 * LANES)
        for (int half = 0; half < 2; half++) {
            memcpy(&v, x + d + half * LANES, sizeof v);
            sums[half] += v * v;
        }
    sums[0] += sums[1];
    for (int j = 0; j < LANES; j++)
        total += sums[0][j];
    for (; d < dim; d++)
        total += x[d] * x[d];
    return total;
}

/* Subtract each group's mean, store squared norms after (`squares`) and before (`norms`), and set `reach` to a bound
 * of all distances between samples and from zero; NaN if anything is not finite. */
void LEVEL(centre)(const float *z, float *centred, float *means, float *squares, float *norms, float *reach,
                   long groups, long samples, long dim, long group_stride, long sample_stride)
{
    float most = 0.0f, farthest = 0.0f, bad = 0.0f;
    for (long g = 0; g < groups; g++) {
        float *mean = means + g * dim;
        memset(mean, 0, sizeof(float) * dim);
        for (long n = 0; n < samples; n++) {
            const float *row = z + g * group_stride + n * sample_stride;
            for (long d = 0; d < dim; d++)
                mean[d] += row[d];
        }
        for (long d = 0; d < dim; d++)
            mean[d] /= (float)samples;
        for (long n = 0; n < samples; n++) {
            const float *row = z + g * group_stride + n * sample_stride;
            float *out = centred + (g * samples + n) * dim;
            for (long d = 0; d < dim; d++)
                out[d] = row[d] - mean[d];
            float square = squared_norm(out, dim), norm = squared_norm(row, dim);
            most = square > most ? square : most;
            farthest = norm > farthest ? norm : farthest;
            bad += 0.0f * square + 0.0f * norm;
            squares[g * samples + n] = square;
            norms[g * samples + n] = norm;
        }
    }
    *reach = fmaxf(2.0f * sqrtf(most), sqrtf(farthest)) + bad;
}

/* Where in the table the distances sqrt(own + square - 2 product) lie. */
static void locate(float own, const float *restrict square, const float *restrict product, long count, float inverse,
                   int last, int *restrict index, float *restrict fraction)
{
    const float end = (float)last;
    for (long j = 0; j < count; j++) {
        float u = own + square[j] - 2.0f * product[j];
        float position = sqrtf(u > 0.0f ? u : 0.0f) * inverse;
        int row = position < end ? (int)position : last; /* an infinite or enormous one has no value as an int */
        row = row < last ? row : last;
        index[j] = row;
        fraction[j] = position - (float)row;
    }
}

static inline vec cubic(vec a, vec b, vec c, vec d, vec x)
{
    vec ab = LOW(a, b), cd = LOW(c, d), ab2 = HIGH(a, b), cd2 = HIGH(c, d);
    return EVEN(ab, cd) + x * (ODD(ab, cd) + x * (EVEN(ab2, cd2) + x * ODD(ab2, cd2)));
}

static inline void look_up(const float *table, const int *index, const float *fraction, vec *value, vec *slope)
{
    vec row[LANES], x;
    memcpy(&x, fraction, sizeof x);
    for (int j = 0; j < LANES; j++)
        memcpy(&row[j], table + 8 * (long)index[j], sizeof(vec));
    *value = cubic(FIRST(row[0], row[4]), FIRST(row[1], row[5]), FIRST(row[2], row[6]), FIRST(row[3], row[7]), x);
    *slope = cubic(SECOND(row[0], row[4]), SECOND(row[1], row[5]), SECOND(row[2], row[6]), SECOND(row[3], row[7]), x);
}

/* Copy the upper triangle to the lower one, in tiles. */
static void mirror(float *matrix, long samples)
{
    for (long a = 0; a < samples; a += LANES)
        for (long b = 0; b <= a; b += LANES) {
            if (a == b || a + LANES > samples) {
                for (long i = a; i < a + LANES && i < samples; i++)
                    for (long j = b; j < b + LANES && j < i; j++)
                        matrix[i * samples + j] = matrix[j * samples + i];
                continue;
            }
            vec r[LANES], s[LANES];
            for (int j = 0; j < LANES; j++)
                memcpy(&r[j], matrix + (b + j) * samples + a, sizeof(vec));
            for (int j = 0; j < LANES; j += 4) {
                vec low = LOW(r[j], r[j + 1]), next = LOW(r[j + 2], r[j + 3]);
                vec high = HIGH(r[j], r[j + 1]), beyond = HIGH(r[j + 2], r[j + 3]);
                s[j] = EVEN(low, next);
                s[j + 1] = ODD(low, next);
                s[j + 2] = EVEN(high, beyond);
                s[j + 3] = ODD(high, beyond);
            }
            for (int j = 0; j < 4; j++) {
                vec first = FIRST(s[j], s[j + 4]), second = SECOND(s[j], s[j + 4]);
                memcpy(matrix + (a + j) * samples + b, &first, sizeof(vec));
                memcpy(matrix + (a + 4 + j) * samples + b, &second, sizeof(vec));
            }
        }
}

static double sum_of(const float *row, long count)
{
    double sums[LANES] = {0}, total = 0.0;
    long j = 0;
    for (; j + LANES <= count; j += LANES)
        for (int k = 0; k < LANES; k++)
            sums[k] += row[j + k];
    for (; j < count; j++)
        total += row[j];
    for (int k = 0; k < LANES; k++)
        total += sums[k];
    return total;
}

/* On entry `weights` (group, sample, sample) holds inner products, of which the upper triangle is read. On return
 * `values` holds mean_ij f(|z_i - z_j|^2) - 2 mean_i g(|z_i|^2) of each group. Where `gradient` is not null,
 * samples^2 / 4 times the values' gradient is gradient + weights @ centred: `gradient` holds all that one sample
 * contributes alone. No weight of a sample with itself takes part: it is the largest, multiplies a difference of zero,
 * and would leave its rounding, which is more than the gradient of far samples. */
void LEVEL(discrepancy)(const float *centred, const float *means, const float *squares, const float *norms,
                        float *weights, float *gradient, double *values, const float *pairs, const float *points,
                        long groups, long samples, long dim, long rows, float inverse)
{
    static const int edge[2 * LANES] = {0, 0, 0, 0, 0, 0, 0, 0, -1, -1, -1, -1, -1, -1, -1, -1};
    int index[CHUNK + LANES] = {0};
    float fraction[CHUNK + LANES] = {0}, zeros[CHUNK] = {0};
    int last = (int)rows - 1;
    vec value, slope;
    for (long g = 0; g < groups; g++) {
        const float *square = squares + g * samples;
        float *matrix = weights + g * samples * samples;
        double total = 0.0, cross = 0.0;
        for (long i = 0; i < samples; i++) {
            float *row = matrix + i * samples;
            /* whole vectors from the one that holds i + 1: what they change left of it, `mirror` overwrites */
            for (long start = (i + 1) / LANES * LANES; start < samples; start += CHUNK) {
                long count = samples - start < CHUNK ? samples - start : CHUNK;
                locate(square[i], square + start, row + start, count, inverse, last, index, fraction);
                vec sums = {0};
                for (long j = 0; j < count; j += LANES) {
                    long skipped = start + j <= i ? i + 1 - start - j : 0, lanes = count - j;
                    look_up(pairs, index + j, fraction + j, &value, &slope);
                    slope = -slope;
                    if (skipped > 0 || lanes < LANES) {
                        ints after, past;
                        memcpy(&after, edge + LANES - skipped, sizeof after);
                        memcpy(&past, edge + LANES - (lanes < LANES ? lanes : LANES), sizeof past);
                        value = (vec)((ints)value & after & ~past);
                    }
                    sums += value;
                    if (lanes < LANES)
                        memcpy(row + start + j, &slope, sizeof(float) * lanes);
                    else
                        memcpy(row + start + j, &slope, sizeof slope);
                }
                for (int j = 0; j < LANES; j++)
                    total += sums[j];
            }
        }
        if (gradient)
            mirror(matrix, samples);
        for (long start = 0; start < samples; start += CHUNK) {
            long count = samples - start < CHUNK ? samples - start : CHUNK;
            locate(0.0f, norms + g * samples + start, zeros, count, inverse, last, index, fraction);
            for (long j = 0; j < count; j += LANES) {
                look_up(points, index + j, fraction + j, &value, &slope);
                for (long k = 0; k < LANES && k < count - j; k++) {
                    long i = start + j + k;
                    cross += value[k];
                    if (!gradient)
                        continue;
                    double pull = -(double)slope[k] * samples;
                    matrix[i * samples + i] = 0.0f;
                    float own = (float)(pull - sum_of(matrix + i * samples, samples)), common = (float)pull;
                    const float *row = centred + (g * samples + i) * dim, *mean = means + g * dim;
                    float *out = gradient + (g * samples + i) * dim;
                    for (long d = 0; d < dim; d++)
                        out[d] = own * row[d] + common * mean[d];
                }
            }
        }
        values[g] = (2.0 * total / samples + pairs[0] - 2.0 * cross) / samples;
    }
}
