/* Sums over samples of cos and sin of k spacing y, k = 1..knots, and their gradient with respect to y.
 *
 * y and its gradient are (group, sample, slice), sums and their gradients are (group, 2, knot, slice). Only slices
 * first..last-1 are worked on, so that several threads can share a call.
 *
 * Two sines and cosines a projection, for z = exp(i theta) and z^5. Only z^2 and the multiples of z^5 follow; z^(m-2) to
 * z^(m+2) around such an m are sums and differences of the four products of real and imaginary parts of z^m with
 * those of z and z^2, so a product and an addition to a sum are one instruction. Rows are added in blocks, so that
 * the rounding error of a sum grows with the number of blocks and not of samples.
 */
#include <string.h>

#ifdef __AVX512F__
#define LANES 16
#else
#define LANES 8
#endif
#define MAX_KNOTS 64
#define NEAR 2              /* powers on each side of a multiple of STEP */
#define STEP (2 * NEAR + 1)
#define FAR ((MAX_KNOTS + NEAR) / STEP)
#define TERMS (2 + 4 * NEAR)
#define BLOCK 32
#define ROWS 4
#define FEW 32 /* below so many samples no average hides rounding errors: a sine and cosine for each knot */

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef int ints __attribute__((vector_size(4 * LANES)));

static inline vec choose(ints mask, vec yes, vec no)
{
    return (vec)((mask & (ints)yes) | (~mask & (ints)no));
}

/* Angles are counted in quarter turns: y times `turn`, a double, as a product of 12 and 12 bits, which is exact, and
 * what is left. From 2^22 quarter turns on y does not say where in a turn it is, and the angle is taken as 0. */
static inline void sincos_lanes(const float *from, double turn, int lanes, vec *sine, vec *cosine)
{
    float whole = (float)turn, coarse;
    int bits;
    memcpy(&bits, &whole, sizeof bits);
    bits &= ~0xfff;
    memcpy(&coarse, &bits, sizeof bits);
    float fine = (float)(turn - coarse);
    vec y = {0};
    if (lanes == LANES)
        memcpy(&y, from, sizeof y);
    else
        memcpy(&y, from, sizeof(float) * lanes);
    vec angle = y * whole;
    ints near = (angle < 4194304.0f) & (angle > -4194304.0f);
    y = choose(near, y, y * 0.0f);
    vec biased = y * whole + 12582912.0f, turns = biased - 12582912.0f;
    vec high = (vec)((ints)y & ~0xfff), low = y - high;
    vec r = ((high * coarse - turns) + (low * coarse + y * fine)) * 1.57079632679f, q = r * r;
    vec a = r + r * q * (-1.6666654611e-1f + q * (8.3321608736e-3f - q * 1.9515295891e-4f));
    vec b = 1.0f - 0.5f * q
        + q * q * (4.166664568298827e-2f + q * (-1.388731625493765e-3f + q * 2.443315711809948e-5f));
    ints quarter = (ints)biased, odd = -(quarter & 1);
    *sine = (vec)((ints)choose(odd, b, a) ^ ((quarter & 2) << 30));
    *cosine = (vec)((ints)choose(odd, a, b) ^ (((quarter + 1) & 2) << 30));
}

static void store(float *to, vec value, int lanes)
{
    memcpy(to, &value, sizeof(float) * lanes);
}

void LEVEL(ecf_sums)(const float *y, float *sums, long groups, long samples, long slices, long knots, double spacing,
                     long first, long last)
{
    double turn = spacing * 0.63661977236758134308;
    long far = knots <= NEAR ? 0 : (knots + NEAR) / STEP;
    vec c[NEAR][BLOCK], s[NEAR][BLOCK], zc[BLOCK], zs[BLOCK];
    vec close[2 * NEAR], terms[FAR][TERMS], cosine[STEP * FAR + NEAR + 1], sine[STEP * FAR + NEAR + 1];
    for (long g = 0; g < groups; g++)
        for (long p = first; p < last; p += LANES) {
            int lanes = last - p < LANES ? (int)(last - p) : LANES;
            const float *column = y + g * samples * slices + p;
            memset(close, 0, sizeof close);
            memset(terms, 0, sizeof terms);
            memset(cosine, 0, sizeof cosine);
            memset(sine, 0, sizeof sine);
            for (long start = 0; start < samples && samples < FEW; start += ROWS)
                for (long k = 1; k <= knots; k++) {
                    vec a, b, a_sum = {0}, b_sum = {0};
                    for (long n = start; n < samples && n < start + ROWS; n++) {
                        sincos_lanes(column + n * slices, turn * k, lanes, &a, &b);
                        a_sum += a;
                        b_sum += b;
                    }
                    sine[k] += a_sum;
                    cosine[k] += b_sum;
                }
            for (long start = 0; start < samples && samples >= FEW; start += BLOCK) {
                int rows = samples - start < BLOCK ? (int)(samples - start) : BLOCK;
                vec part[2 * NEAR] = {{0}};
                for (int r = 0; r < rows; r++) {
                    vec s1, c1;
                    sincos_lanes(column + (start + r) * slices, turn, lanes, &s1, &c1);
                    vec s2 = 2.0f * s1 * c1, c2 = 1.0f - 2.0f * s1 * s1;
                    c[0][r] = c1;
                    s[0][r] = s1;
                    c[1][r] = c2;
                    s[1][r] = s2;
                    sincos_lanes(column + (start + r) * slices, turn * STEP, lanes, &zs[r], &zc[r]);
                    part[0] += c1;
                    part[1] += s1;
                    part[2] += c2;
                    part[3] += s2;
                }
                for (int i = 0; i < 2 * NEAR; i++)
                    close[i] += part[i];
                vec mc[BLOCK], ms[BLOCK];
                memcpy(mc, zc, sizeof mc);
                memcpy(ms, zs, sizeof ms);
                for (long m = 0; m < far; m++) {
                    vec t[TERMS] = {{0}};
                    for (int r = 0; r < rows; r++) {
                        vec a = mc[r], b = ms[r];
                        t[0] += a;
                        t[1] += b;
                        for (int j = 0; j < NEAR; j++) {
                            t[2 + 4 * j] += a * c[j][r];
                            t[3 + 4 * j] += b * s[j][r];
                            t[4 + 4 * j] += b * c[j][r];
                            t[5 + 4 * j] += a * s[j][r];
                        }
                    }
                    for (int i = 0; i < TERMS; i++)
                        terms[m][i] += t[i];
                    for (int r = 0; r < rows && m + 1 < far; r++) {
                        vec turned = mc[r] * zc[r] - ms[r] * zs[r];
                        ms[r] = ms[r] * zc[r] + mc[r] * zs[r];
                        mc[r] = turned;
                    }
                }
            }
            for (int j = 0; j < NEAR && samples >= FEW; j++) {
                cosine[j + 1] = close[2 * j];
                sine[j + 1] = close[2 * j + 1];
            }
            for (long m = 0; m < far && samples >= FEW; m++) {
                long k = STEP * (m + 1);
                cosine[k] = terms[m][0];
                sine[k] = terms[m][1];
                for (int j = 0; j < NEAR; j++) {
                    const vec *t = terms[m] + 2 + 4 * j;
                    cosine[k + j + 1] = t[0] - t[1];
                    cosine[k - j - 1] = t[0] + t[1];
                    sine[k + j + 1] = t[2] + t[3];
                    sine[k - j - 1] = t[2] - t[3];
                }
            }
            for (long k = 0; k < knots; k++) {
                store(sums + (g * 2 * knots + k) * slices + p, cosine[k + 1], lanes);
                store(sums + ((g * 2 + 1) * knots + k) * slices + p, sine[k + 1], lanes);
            }
        }
}

/* dy = sum_k k spacing (grad_sin_k cos k theta - grad_cos_k sin k theta), with the same products. */
void LEVEL(ecf_sums_backward)(const float *grad, const float *y, float *dy, long groups, long samples, long slices,
                              long knots, double spacing, long first, long last)
{
    double turn = spacing * 0.63661977236758134308;
    long far = knots <= NEAR ? 0 : (knots + NEAR) / STEP;
    vec cosine[STEP * FAR + NEAR + 1], sine[STEP * FAR + NEAR + 1], factors[FAR][TERMS];
    for (long g = 0; g < groups; g++)
        for (long p = first; p < last; p += LANES) {
            int lanes = last - p < LANES ? (int)(last - p) : LANES;
            long offset = g * samples * slices + p;
            memset(cosine, 0, sizeof cosine);
            memset(sine, 0, sizeof sine);
            for (long k = 1; k <= knots; k++) {
                memcpy(&sine[k], grad + (g * 2 * knots + k - 1) * slices + p, sizeof(float) * lanes);
                memcpy(&cosine[k], grad + ((g * 2 + 1) * knots + k - 1) * slices + p, sizeof(float) * lanes);
                cosine[k] *= (float)(k * spacing);
                sine[k] *= (float)(-k * spacing);
            }
            for (long m = 0; m < far; m++) {
                long k = STEP * (m + 1);
                factors[m][0] = cosine[k];
                factors[m][1] = sine[k];
                for (int j = 0; j < NEAR; j++) {
                    vec *f = factors[m] + 2 + 4 * j;
                    f[0] = cosine[k + j + 1] + cosine[k - j - 1];
                    f[1] = sine[k + j + 1] - sine[k - j - 1];
                    f[2] = sine[k + j + 1] + sine[k - j - 1];
                    f[3] = cosine[k - j - 1] - cosine[k + j + 1];
                }
            }
            for (long n = 0; n < samples; n += ROWS) {
                int rows = samples - n < ROWS ? (int)(samples - n) : ROWS;
                vec c[NEAR][ROWS], s[NEAR][ROWS], zc[ROWS], zs[ROWS], mc[ROWS], ms[ROWS], out[ROWS];
                for (int r = 0; r < ROWS; r++) {
                    vec s1, c1;
                    const float *from = y + offset + (r < rows ? n + r : n) * slices;
                    sincos_lanes(from, turn, lanes, &s1, &c1);
                    vec s2 = 2.0f * s1 * c1, c2 = 1.0f - 2.0f * s1 * s1;
                    c[0][r] = c1;
                    s[0][r] = s1;
                    c[1][r] = c2;
                    s[1][r] = s2;
                    sincos_lanes(from, turn * STEP, lanes, &zs[r], &zc[r]);
                    mc[r] = zc[r];
                    ms[r] = zs[r];
                    out[r] = cosine[1] * c1 + sine[1] * s1 + cosine[2] * c2 + sine[2] * s2;
                }
                for (long m = 0; m < far; m++) {
                    const vec *f = factors[m];
                    for (int r = 0; r < ROWS; r++) {
                        vec u = f[0], v = f[1];
                        for (int j = 0; j < NEAR; j++) {
                            u += f[2 + 4 * j] * c[j][r] + f[3 + 4 * j] * s[j][r];
                            v += f[4 + 4 * j] * c[j][r] + f[5 + 4 * j] * s[j][r];
                        }
                        out[r] += u * mc[r] + v * ms[r];
                        vec turned = mc[r] * zc[r] - ms[r] * zs[r];
                        ms[r] = ms[r] * zc[r] + mc[r] * zs[r];
                        mc[r] = turned;
                    }
                }
                for (int r = 0; r < rows; r++)
                    store(dy + offset + (n + r) * slices, out[r], lanes);
            }
        }
}
