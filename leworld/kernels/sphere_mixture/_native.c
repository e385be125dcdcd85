/* Mean of a mixture f over all pairs of samples, and the weights f'(|z_i - z_j|^2) that its gradient needs.
 *
 * On entry `weights` (group, sample, sample) holds the inner products of samples, of which the upper triangle is
 * read; on return it holds f' of the squared distances, both triangles. The tables hold four cubic coefficients
 * an interval of the distance, `inverse` intervals a unit of distance. Sums are taken in double precision.
 */
#include <math.h>

#define LANES 16

static inline float cubic(const float *restrict table, int index, float x)
{
    const float *c = table + 4 * index;
    return c[0] + x * (c[1] + x * (c[2] + x * c[3]));
}

void mean_over_pairs(const float *squares, float *weights, double *means, const float *values,
                     const float *slopes, long groups, long samples, long intervals, float inverse)
{
    for (long g = 0; g < groups; g++) {
        const float *square = squares + g * samples;
        float *matrix = weights + g * samples * samples;
        double total = 0.0, diagonal = samples * (double)values[0];
        for (long i = 0; i < samples; i++) {
            float *row = matrix + i * samples, sums[LANES] = {0};
            row[i] = slopes[0];
            for (long start = i + 1; start < samples; start += LANES) {
                int lanes = samples - start < LANES ? (int)(samples - start) : LANES;
                float value[LANES], slope[LANES];
                for (int j = 0; j < lanes; j++) {
                    float u = square[i] + square[start + j] - 2.0f * row[start + j];
                    float x = sqrtf(u > 0.0f ? u : 0.0f) * inverse;
                    int index = (int)x;
                    index = index < 0 ? 0 : index; /* what NaN becomes is undefined; the cubic keeps it */
                    index = index < intervals ? index : (int)intervals - 1;
                    x -= (float)index;
                    value[j] = cubic(values, index, x);
                    slope[j] = cubic(slopes, index, x);
                }
                for (int j = 0; j < lanes; j++) {
                    sums[j] += value[j];
                    row[start + j] = slope[j];
                }
            }
            for (int j = 0; j < LANES; j++)
                total += sums[j];
        }
        for (long i = 1; i < samples; i++) /* mirror in tiles would be faster for thousands of samples */
            for (long j = 0; j < i; j++)
                matrix[i * samples + j] = matrix[j * samples + i];
        means[g] = (2.0 * total + diagonal) / ((double)samples * samples);
    }
}
