// What jobs are made of: random words, instances of classes, their maps at times, and how their views are
// projected. Threads take an item each; blocks: any. See `fractalvid.gpu.jobs`.
#include "random.cuh"

constexpr int MAPS = 8;
constexpr int COEFFICIENTS = 6;
constexpr int KNOTS = 7;
constexpr int WORDS_OF_KNOTS = 44, WORDS_OF_OFFSETS = 48;  // 42 and 48 numbers, in whole blocks of four words
constexpr float WEIGHT_FLOOR = 0.01f;                      // of `fractalvid.fractals.ifs`

// Where times (B, F) lie on a grid: the sample before each and the one after it, and what either counts for.
struct Grid { const int64 *left, *right; const float *share, *rest; };
#define ON_GRID const int64 *left, const int64 *right, const float *share, const float *rest
#define THIS_GRID Grid{left, right, share, rest}

// A curve, whose samples lie `apart`, at a moment.
DEVICE float curve_at(const Grid& grid, int64 moment, const float* curve, int apart) {
    return curve[grid.left[moment] * apart] * grid.rest[moment] + curve[grid.right[moment] * apart] * grid.share[moment];
}

// Four random words for each of `blocks` counters (block, what | attempt, a, b) a row: out (rows, blocks, 4); `attempt` may
// be null. See `fractalvid.core.seeds.words`.
extern "C" __global__ void words(const uint32* key, uint32 what, const int64* attempt, const int64* a, const int64* b,
                                 int rows, int blocks, uint32* out) {
    EACH(i, (int64)rows * blocks) {
        const int64 row = i / blocks;
        const uint32 second = what | (attempt == nullptr ? 0u : (uint32)attempt[row]);
        const Words drawn = philox(key[0], key[1], (uint32)(i % blocks), second, (uint32)a[row], (uint32)b[row]);
        for (int w = 0; w < 4; ++w) out[4 * i + w] = drawn.word[w];
    }
}

// Instances (R): curves (R, S, 6) through random knots, by splines (T, counts, S, 7), and offsets (R, 8, 6).
extern "C" __global__ void instances(const uint32* count_words, const uint32* knot_words, const uint32* offset_words,
                                     const int64* class_id, const int64* frames, const float* splines, int rows,
                                     int samples, int counts, float scale, float shift, float* factor, float* offset) {
    EACH(i, (int64)rows * samples) {
        const int row = (int)(i / samples), sample = (int)(i % samples);
        const int choice = (int)((double)unit(count_words[4 * row]) * counts);
        const int64 spline = ((frames[class_id[row]] - 1) * counts + (choice < counts ? choice : counts - 1)) * samples + sample;
        float sums[COEFFICIENTS] = {};
        for (int knot = 0; knot < KNOTS; ++knot) {
            const uint32* words = knot_words + (int64)row * WORDS_OF_KNOTS + knot * COEFFICIENTS;
            for (int c = 0; c < COEFFICIENTS; ++c)
                sums[c] += splines[spline * KNOTS + knot] * (1.0f + scale * (2.0f * unit(words[c]) - 1.0f));
        }
        for (int c = 0; c < COEFFICIENTS; ++c) factor[i * COEFFICIENTS + c] = sums[c];
        for (int k = sample; k < MAPS * COEFFICIENTS; k += samples) {
            const int64 place = (int64)row * WORDS_OF_OFFSETS + k;
            offset[place] = shift * (2.0f * unit(offset_words[place]) - 1.0f);
        }
    }
}

// `fractalvid.fractals.ifs.compose` of rotations, singular values and shifts.
DEVICE void compose(const double* parts, const double* signs, double* out) {
    const double cos_t = cos(parts[0]), sin_t = sin(parts[0]), cos_p = cos(parts[1]), sin_p = sin(parts[1]);
    const double s1 = signs[0] * parts[2], s2 = signs[1] * parts[3];
    out[0] = (cos_t * s1 * cos_p - sin_t * s2 * sin_p) * signs[2];
    out[1] = (-cos_t * s1 * sin_p - sin_t * s2 * cos_p) * signs[3];
    out[2] = parts[4];
    out[3] = (sin_t * s1 * cos_p + cos_t * s2 * sin_p) * signs[2];
    out[4] = (-sin_t * s1 * sin_p + cos_t * s2 * cos_p) * signs[3];
    out[5] = parts[5];
}

// Maps (B, F, 8, 6) of classes at times: their keys (K, 2, 8, 6) by curves (K, S, 8), the parts of maps or, `naive`, maps.
extern "C" __global__ void class_maps(const double* keys, const double* signs, const float* curve, const int64* class_id,
                                      ON_GRID, int clips, int times, int samples, int naive, float* out) {
    EACH(i, (int64)clips * times * MAPS) {
        const int64 moment = i / MAPS, m = i % MAPS, own = class_id[moment / times];
        const double s = curve_at(THIS_GRID, moment, curve + own * samples * MAPS + m, MAPS);
        const double* first = keys + (own * 2 * MAPS + m) * COEFFICIENTS;
        const double* second = first + MAPS * COEFFICIENTS;
        const double* sign = signs + (own * MAPS + m) * 4;
        double parts[COEFFICIENTS], made[COEFFICIENTS], ends[COEFFICIENTS];
        for (int c = 0; c < COEFFICIENTS; ++c) parts[c] = naive ? first[c] : first[c] + s * (second[c] - first[c]);
        compose(parts, sign, made);
        if (naive) {
            compose(second, sign, ends);
            for (int c = 0; c < COEFFICIENTS; ++c) made[c] += s * (ends[c] - made[c]);
        }
        for (int c = 0; c < COEFFICIENTS; ++c) out[i * COEFFICIENTS + c] = (float)made[c];
    }
}

// Factors (B, `native`) between the native times, at any time.
DEVICE float damping_at(const float* damping, double time, int native) {
    const int before = (int)time < native - 2 ? (int)time : native - 2;
    const double share = time - before;
    return (float)(damping[before] * (1.0 - share) + damping[before + 1] * share);
}

// Maps (A B, F, 8, 6) and weights (A B, F, 8) of A instances of each clip, one after the other, from the maps of their
// classes (B, F, 8, 6). `damping`, which may be null, and times (B, F) say how much linear parts are damped.
extern "C" __global__ void instance_maps(const float* class_maps, const int64* class_id, const int64* num_maps,
                                         const float* factor, const float* offset, ON_GRID, const double* time,
                                         const float* damping, int native, int rows, int clips, int times, int samples,
                                         float* maps, float* weights) {
    EACH(i, (int64)rows * times) {
        const int64 row = i / times, clip = row % clips, moment = clip * times + i % times;
        float by[COEFFICIENTS], size[MAPS];
        for (int c = 0; c < COEFFICIENTS; ++c)
            by[c] = curve_at(THIS_GRID, moment, factor + row * samples * COEFFICIENTS + c, COEFFICIENTS);
        const float damped = damping == nullptr ? 1.0f : damping_at(damping + clip * native, time[moment], native);
        const int real = (int)num_maps[class_id[clip]];
        float largest = 0.0f, sum = 0.0f;
#ifdef __CUDACC__
#pragma unroll
#endif
        for (int m = 0; m < MAPS; ++m) {
            const float* from = class_maps + (moment * MAPS + m) * COEFFICIENTS;
            const float* more = offset + (row * MAPS + m) * COEFFICIENTS;
            float own[COEFFICIENTS];
            for (int c = 0; c < COEFFICIENTS; ++c) {
                own[c] = from[c] * by[c] + more[c];
                if (c % 3 != 2) own[c] *= damped;
                maps[(i * MAPS + m) * COEFFICIENTS + c] = own[c];
            }
            size[m] = m < real ? absolute(own[0] * own[4] - own[1] * own[3]) : 0.0f;
            largest = larger(largest, size[m]);
        }
        const float least = WEIGHT_FLOOR * larger(largest, 1e-12f);
#ifdef __CUDACC__
#pragma unroll
#endif
        for (int m = 0; m < MAPS; ++m) {
            size[m] = m < real ? larger(size[m], least) : 0.0f;
            sum += size[m];
        }
#ifdef __CUDACC__
#pragma unroll
#endif
        for (int m = 0; m < MAPS; ++m) weights[i * MAPS + m] = size[m] / sum;
    }
}

// Projections (B, F, 3, 3) of view boxes (B, 4) to square frames, seen by cameras (B, C, 3, 3), C being F or 1, and their
// exposures (B, F, 2): the area of the box, and white. Rows follow y, or else x.
extern "C" __global__ void project(const float* box, const float* white, const float* camera, int clips, int times,
                                   int cameras, int size, int by_y, float* projection, float* exposure) {
    EACH(i, (int64)clips * times) {
        const int64 clip = i / times;
        const float* own = box + clip * 4;
        float view[9] = {0, 0, 0, 0, 0, 0, 0, 0, 1};
        for (int axis = 0; axis < 2; ++axis) {
            const int row = by_y ? axis : 1 - axis;
            const double scale = size / ((double)own[axis + 2] - (double)own[axis]);
            view[row * 3 + axis] = (float)scale;
            view[row * 3 + 2] = (float)(-(double)own[axis] * scale);
        }
        const float* seen = camera + (clip * cameras + (cameras > 1 ? i % times : 0)) * 9;
        for (int k = 0; k < 9; ++k) {
            const int row = k / 3 * 3, column = k % 3;
            projection[i * 9 + k] =
                seen[row] * view[column] + seen[row + 1] * view[3 + column] + seen[row + 2] * view[6 + column];
        }
        exposure[2 * i] = (own[2] - own[0]) * (own[3] - own[1]);
        exposure[2 * i + 1] = white[clip];
    }
}
