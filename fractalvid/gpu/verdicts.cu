// What is decided of clips from statistics of their orbits at F times, a thread a clip: see `fractalvid.fractals.fit`. Traits are
// given by class. Blocks and threads: any, but for `damp`.
#include "portable.cuh"

#define EACH_CLIP(b) \
    for (int b = blockIdx.x * blockDim.x + threadIdx.x; b < clips; b += gridDim.x * blockDim.x)

// Which clips of a mask grow slower than `most` at all times; rates say nothing of classes that are `silent`.
extern "C" __global__ void admit(const bool* mask, int clips, int times, const int64* class_id, const float* rate,
                                 const bool* silent, float most, bool* out) {
    EACH_CLIP(b) {
        bool slow = true;
        for (int t = 0; t < times; ++t) slow = slow && rate[b * times + t] < most;
        out[b] = mask[b] && (slow || silent[class_id[b]]);
    }
}

// View boxes (B, 4) around extents (B, F, 4), no farther out than `limit` or, for classes that are `far`, than `fence`
// spans of extents `middle`, which may be null. Sizes are `widening` of what is seen, and at least `least`.
extern "C" __global__ void view_boxes(const bool* mask, int clips, int times, const int64* class_id, const float* ends,
                                      const float* middle, const bool* far, float fence, float limit, float widening,
                                      float least, int equal_scales, float* out) {
    EACH_CLIP(b) {
        if (mask != nullptr && !mask[b]) continue;
        float centre[2], size[2];
        for (int axis = 0; axis < 2; ++axis) {
            float lowest = infinity(), highest = -infinity();
            for (int t = 0; t < times; ++t) {
                const int place = (b * times + t) * 4 + axis;
                float low = ends[place], high = ends[place + 2];
                if (middle != nullptr && far[class_id[b]]) {
                    const float reach = fence * (middle[place + 2] - middle[place]);
                    low = larger(low, middle[place] - reach);
                    high = smaller(high, middle[place + 2] + reach);
                }
                lowest = smaller(lowest, smaller(larger(low, -limit), limit));
                highest = larger(highest, smaller(larger(high, -limit), limit));
            }
            centre[axis] = (lowest + highest) * 0.5f;
            size[axis] = larger((highest - lowest) * widening, least);
        }
        if (equal_scales) size[0] = size[1] = larger(size[0], size[1]);
        for (int axis = 0; axis < 2; ++axis) {
            out[b * 4 + axis] = centre[axis] - size[axis] * 0.5f;
            out[b * 4 + 2 + axis] = centre[axis] + size[axis] * 0.5f;
        }
    }
}

// The numbers of `fractalvid.fractals.look.Fault`.
enum Fault : signed char { NONE = 0, EMPTY = 1, FULL = 2, STILL = 3 };

// White (B,), the median over a class's own `frames`, and faults (B,), from statistics (B, F) of `on_grid`.
extern "C" __global__ void judge(const bool* mask, int clips, int times, const int64* class_id, const float* dense,
                                 const float* occupied, const float* moved, const int64* frames, float empty, float full,
                                 double broken, double still, float* white, signed char* fault) {
    EACH_CLIP(b) {
        if (mask != nullptr && !mask[b]) continue;
        const int count = (int)frames[class_id[b]], first = b * times;
        float low = 0.0f, high = 0.0f, motion = 0.0f;
        int empties = 0, fulls = 0;
        for (int t = 0; t < count; ++t) {
            const float own = dense[first + t];
            int rank = 0;
            for (int s = 0; s < count; ++s) rank += dense[first + s] < own || (dense[first + s] == own && s < t);
            low = rank == (count - 1) / 2 ? own : low;
            high = rank == count / 2 ? own : high;
            empties += occupied[first + t] <= empty;
            fulls += occupied[first + t] > full;
            motion += moved[first + t];
        }
        white[b] = (low + high) * 0.5f;
        const bool stands = (double)motion < still * (double)(count > 2 ? count - 1 : 1);
        fault[b] = empties >= broken * count ? EMPTY : fulls >= broken * count ? FULL : stands ? STILL : NONE;
    }
}

// What an attempt at the clips of a mask comes to. It is taken by those whose orbit keeps `inside` of it near at all times
// and that have no fault, which no longer are open; one with a fault is taken until then where none was (-1).
extern "C" __global__ void settle(const bool* mask, int clips, int times, const int64* class_id, const float* near,
                                  const double* inside, const signed char* fault, int64 attempt, int64* taken, bool* open) {
    EACH_CLIP(b) {
        if (!mask[b]) continue;
        bool bounded = true;
        for (int t = 0; t < times; ++t) bounded = bounded && near[b * times + t] >= inside[class_id[b]];
        if (!bounded) continue;
        if (fault[b] == NONE) open[b] = false;
        if (fault[b] == NONE || taken[b] < 0) taken[b] = attempt;
    }
}

// Damp the times of open clips whose growth or orbit strays, by `stronger`: their damping (B, F) and the linear parts of
// their maps (B, F, N, 6). A clip of which none strays is no longer open. Blocks: clips.
extern "C" __global__ void damp(bool* open, int times, const int64* class_id, const float* rate, const bool* silent,
                                float most, const float* near, const double* inside, float stronger, int num_maps,
                                float* damping, float* maps) {
    const int b = blockIdx.x, first = b * times, words = num_maps * 6;
    if (!open[b]) return;
    const auto strays = [&](int t) {
        return (rate[first + t] >= most && !silent[class_id[b]]) || near[first + t] < inside[class_id[b]];
    };
    bool any = false;
    for (int t = 0; t < times; ++t) any = any || strays(t);
    __syncthreads();
    if (threadIdx.x == 0) open[b] = any;
    for (int t = threadIdx.x; t < times; t += blockDim.x)
        if (strays(t)) damping[first + t] *= stronger;
    for (int i = threadIdx.x; i < times * words; i += blockDim.x)
        if (i % 3 != 2 && strays(i / words)) maps[(int64)first * words + i] *= stronger;
}
