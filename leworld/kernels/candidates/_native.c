/* What a search does with scored candidates: actions (row, sample, number) and costs (row, sample). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Draw around mean (row, number): sample 0 is the mean itself, the others are mean + deviation * noise, with the noise of
 * each row read from its place in a table on. The deviation is std (row, number) or, if that is NULL, one number. */
void sample_gaussian(const float *table, const float *mean, float *actions, const long *places, const float *std,
                     float deviation, long rows, long samples, long numbers)
{
    for (long row = 0; row < rows; row++) {
        const float *centre = mean + row * numbers, *spread = std ? std + row * numbers : NULL;
        float *action = actions + row * samples * numbers;
        memcpy(action, centre, numbers * sizeof(float));
        for (long i = 1; i < samples; i++) {
            const float *noise = table + places[row] + i * numbers;
            float *drawn = action + i * numbers;
            if (spread)
                for (long j = 0; j < numbers; j++)
                    drawn[j] = centre[j] + spread[j] * noise[j];
            else
                for (long j = 0; j < numbers; j++)
                    drawn[j] = centre[j] + deviation * noise[j];
        }
    }
}

/* Put the cheapest sample of each row into best (row, number) and best_costs (row) if it is better than what is
 * there. A cost that is NaN or infinite is none, and becomes INFINITY in the copy. Returns whether all were finite. */
int keep_best(const float *actions, const float *costs, float *copy, float *best, float *best_costs, long rows,
              long samples, long numbers)
{
    int all_finite = 1;
    for (long row = 0; row < rows; row++) {
        const float *cost = costs + row * samples;
        float lowest = best_costs[row];
        long first = -1;
        for (long i = 0; i < samples; i++) {
            int finite = isfinite(cost[i]);
            all_finite &= finite;
            copy[row * samples + i] = finite ? cost[i] : INFINITY;
            if (finite && cost[i] < lowest) {
                lowest = cost[i];
                first = i;
            }
        }
        if (first >= 0) {
            best_costs[row] = lowest;
            memcpy(best + row * numbers, actions + (row * samples + first) * numbers, numbers * sizeof(float));
        }
    }
    return all_finite;
}

/* Return the value that would stand at `place` if the values were sorted (Hoare's selection); reorders them. */
static float select_value(float *values, long count, long place)
{
    long low = 0, high = count - 1;
    while (low < high) {
        float pivot = values[low + (high - low) / 2];
        long i = low, j = high;
        while (i <= j) {
            while (values[i] < pivot)
                i++;
            while (values[j] > pivot)
                j--;
            if (i <= j) {
                float value = values[i];
                values[i++] = values[j];
                values[j--] = value;
            }
        }
        if (place <= j)
            high = j;
        else if (place >= i)
            low = i;
        else
            break;
    }
    return values[place];
}

/* Write the indices of the elites in ascending order, and return how many there are. */
static long find_elites(const float *cost, long samples, long num, float *finite, long *elites)
{
    long count = 0, found = 0, ties = 0;
    for (long i = 0; i < samples; i++)
        if (isfinite(cost[i]))
            finite[count++] = cost[i];
    if (count == 0)
        return 0;
    float highest = select_value(finite, count, (num < count ? num : count) - 1);
    for (long i = 0; i < samples; i++)
        ties -= isfinite(cost[i]) && cost[i] < highest;
    ties += num; /* so many that cost `highest` may join */
    for (long i = 0; i < samples; i++)
        if (isfinite(cost[i]) && (cost[i] < highest || (cost[i] == highest && ties-- > 0)))
            elites[found++] = i;
    return found;
}

/* Mean and standard deviation (row, number) over the elites: the `num` samples of lowest finite cost, of equal costs
 * those that come first; no deviation falls below `floor`. A row without a finite cost keeps what it had. Sums are in
 * double precision. Returns 0, or 1 when there was no memory. */
int refit_gaussian(const float *actions, const float *costs, const float *old_mean, const float *old_std,
                   float *mean, float *std, long rows, long samples, long numbers, long num, long correction,
                   float floor)
{
    float *finite = malloc(samples * sizeof(float));
    long *elites = malloc(samples * sizeof(long));
    double *sum = malloc(numbers * sizeof(double)), *squares = malloc(numbers * sizeof(double));
    int failed = !finite || !elites || !sum || !squares;
    for (long row = 0; row < rows && !failed; row++) {
        const float *action = actions + row * samples * numbers;
        long offset = row * numbers, found = find_elites(costs + row * samples, samples, num, finite, elites);
        for (long j = 0; j < numbers; j++)
            sum[j] = squares[j] = 0.0;
        for (long e = 0; e < found; e++)
            for (long j = 0; j < numbers; j++)
                sum[j] += action[elites[e] * numbers + j];
        for (long j = 0; j < numbers; j++)
            sum[j] /= found;
        for (long e = 0; e < found; e++)
            for (long j = 0; j < numbers; j++) {
                double centred = action[elites[e] * numbers + j] - sum[j];
                squares[j] += centred * centred;
            }
        long degrees = found > correction ? found - correction : 1;
        for (long j = 0; j < numbers; j++) {
            mean[offset + j] = found ? (float)sum[j] : old_mean[offset + j];
            float spread = found ? (float)sqrt(squares[j] / degrees) : old_std[offset + j];
            std[offset + j] = spread < floor ? floor : spread;
        }
    }
    free(finite);
    free(elites);
    free(sum);
    free(squares);
    return failed;
}
