/* Sums of cos(k theta) and sin(k theta) over samples, theta = spacing * y, and their gradient.
 *
 * y is (group, sample, slice), contiguous; sums and their gradient are (group, 2, knot, slice). Only slices
 * first..last-1 are worked on, so that several threads can share a call. One sine and cosine a projection,
 * reduced in double precision; the knots follow by complex rotation. Rows are added in blocks, so that the
 * rounding error of a sum grows with the number of blocks and not of samples.
 */
#include <math.h>
#include <string.h>

#define LANES 16
#define MAX_KNOTS 64
#define ROWS 4
#define BLOCK 64
#define FEW 32 /* below so many samples no average hides rounding errors: a sine and cosine for each knot */

typedef float vec __attribute__((vector_size(4 * LANES)));

static inline void sincos_lanes(const float *restrict y, double spacing, int lanes, vec *sine, vec *cosine)
{
    float s[LANES], c[LANES];
    for (int j = 0; j < LANES; j++) {
        double theta = j < lanes ? spacing * (double)y[j] : 0.0;
        double turns = rint(theta * 0.63661977236758134308);
        double rest = theta - turns * 1.57079632679489655800;
        rest -= turns * 6.12323399573676603587e-17;
        float quadrant = (float)(turns - 4.0 * floor(turns * 0.25));
        float r = (float)rest, q = r * r;
        float sin_r = r + r * q * (-1.6666654611e-1f + q * (8.3321608736e-3f - q * 1.9515295891e-4f));
        float cos_r = 1.0f - 0.5f * q
            + q * q * (4.166664568298827e-2f + q * (-1.388731625493765e-3f + q * 2.443315711809948e-5f));
        int odd = quadrant == 1.0f || quadrant == 3.0f;
        float a = odd ? cos_r : sin_r, b = odd ? sin_r : cos_r;
        s[j] = quadrant >= 2.0f ? -a : a;
        c[j] = quadrant == 1.0f || quadrant == 2.0f ? -b : b;
    }
    memcpy(sine, s, sizeof s);
    memcpy(cosine, c, sizeof c);
}

void ecf_sums(const float *y, float *sums, long groups, long samples, long slices, long knots,
              double spacing, long first, long last)
{
    vec total[2 * MAX_KNOTS], part[2 * MAX_KNOTS];
    for (long g = 0; g < groups; g++)
        for (long p = first; p < last; p += LANES) {
            int lanes = last - p < LANES ? (int)(last - p) : LANES;
            const float *column = y + g * samples * slices + p;
            memset(total, 0, sizeof(vec) * 2 * knots);
            for (long start = 0; start < samples && samples < FEW; start += ROWS)
                for (long k = 0; k < knots; k++) {
                    vec s, c, s_sum = {0}, c_sum = {0};
                    for (long n = start; n < samples && n < start + ROWS; n++) {
                        sincos_lanes(column + n * slices, spacing * (k + 1), lanes, &s, &c);
                        c_sum += c;
                        s_sum += s;
                    }
                    total[2 * k] += c_sum;
                    total[2 * k + 1] += s_sum;
                }
            for (long start = 0; start < samples && samples >= FEW; start += BLOCK) {
                long stop = start + BLOCK < samples ? start + BLOCK : samples;
                memset(part, 0, sizeof(vec) * 2 * knots);
                for (long n = start; n < stop; n += ROWS) {
                    vec s1[ROWS], c1[ROWS], s[ROWS], c[ROWS];
                    for (int r = 0; r < ROWS; r++) {
                        if (n + r < stop) {
                            sincos_lanes(column + (n + r) * slices, spacing, lanes, &s1[r], &c1[r]);
                        } else { /* a missing row adds nothing: its rotation is zero */
                            s1[r] = (vec){0};
                            c1[r] = (vec){0};
                        }
                        s[r] = s1[r];
                        c[r] = c1[r];
                    }
                    for (long k = 0; k < knots; k++) {
                        part[2 * k] += (c[0] + c[1]) + (c[2] + c[3]);
                        part[2 * k + 1] += (s[0] + s[1]) + (s[2] + s[3]);
                        for (int r = 0; r < ROWS; r++) {
                            vec turned = c[r] * c1[r] - s[r] * s1[r];
                            s[r] = s[r] * c1[r] + c[r] * s1[r];
                            c[r] = turned;
                        }
                    }
                }
                for (long k = 0; k < 2 * knots; k++)
                    total[k] += part[k];
            }
            for (long k = 0; k < knots; k++) {
                memcpy(sums + ((g * 2) * knots + k) * slices + p, &total[2 * k], sizeof(float) * lanes);
                memcpy(sums + ((g * 2 + 1) * knots + k) * slices + p, &total[2 * k + 1], sizeof(float) * lanes);
            }
        }
}

/* dy = sum_k k spacing (grad_sin_k cos k theta - grad_cos_k sin k theta): the real part of a polynomial in
 * z = exp(i theta), by Horner's rule in z^2 for odd and even powers apart: half the depth, half the error. */
void ecf_sums_backward(const float *grad, const float *y, float *dy, long groups, long samples, long slices,
                       long knots, double spacing, long first, long last)
{
    vec real[MAX_KNOTS + 1], imag[MAX_KNOTS + 1];
    for (long g = 0; g < groups; g++)
        for (long p = first; p < last; p += LANES) {
            int lanes = last - p < LANES ? (int)(last - p) : LANES;
            long offset = g * samples * slices + p;
            memset(real, 0, sizeof real);
            memset(imag, 0, sizeof imag);
            for (long k = 0; k < knots; k++) {
                memcpy(&imag[k], grad + ((g * 2) * knots + k) * slices + p, sizeof(float) * lanes);
                memcpy(&real[k], grad + ((g * 2 + 1) * knots + k) * slices + p, sizeof(float) * lanes);
                real[k] *= (float)((k + 1) * spacing);
                imag[k] *= (float)((k + 1) * spacing);
            }
            for (long n = 0; n < samples; n += ROWS) {
                int rows = samples - n < ROWS ? (int)(samples - n) : ROWS;
                vec s[ROWS], c[ROWS], s2[ROWS], c2[ROWS], u[ROWS], v[ROWS], a[ROWS], b[ROWS];
                for (int r = 0; r < ROWS; r++) {
                    long row = r < rows ? n + r : n;
                    sincos_lanes(y + offset + row * slices, spacing, lanes, &s[r], &c[r]);
                    s2[r] = 2.0f * s[r] * c[r];
                    c2[r] = 1.0f - 2.0f * s[r] * s[r];
                    u[r] = v[r] = a[r] = b[r] = (vec){0};
                }
                for (long k = (knots - 1) / 2 * 2; k >= 0; k -= 2) /* odd powers in u + iv, even in a + ib */
                    for (int r = 0; r < ROWS; r++) {
                        vec next = u[r] * c2[r] - v[r] * s2[r] + real[k];
                        v[r] = u[r] * s2[r] + v[r] * c2[r] + imag[k];
                        u[r] = next;
                        next = a[r] * c2[r] - b[r] * s2[r] + real[k + 1];
                        b[r] = a[r] * s2[r] + b[r] * c2[r] + imag[k + 1];
                        a[r] = next;
                    }
                for (int r = 0; r < rows; r++) {
                    vec out = (u[r] * c[r] - v[r] * s[r]) + (a[r] * c2[r] - b[r] * s2[r]);
                    memcpy(dy + offset + (n + r) * slices, &out, sizeof(float) * lanes);
                }
            }
        }
}
