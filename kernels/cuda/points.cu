// Statistics of orbit points, as `fractalvid.kernels.cpu.points` finds them on the CPU, but for rounding.
#include "histogram.cuh"

// The box of points (J, n, 2) that leaves `cut` of them out on each side: (J, 4). Blocks: (any, axes); `padded`, a power
// of two from n up, words of shared memory.
extern "C" __global__ void extent(const float* points, WHERE, int n, int padded, int cut, float* out) {
    const Where where = THIS_WHERE;
    float* const value = &float_at(0);
    for (int job = blockIdx.x; job < where.count; job += gridDim.x) {
        if (!where.holds(job)) continue;
        const float* own = points + (int64)job * n * 2 + blockIdx.y;
        for (int i = threadIdx.x; i < padded; i += blockDim.x) value[i] = i < n ? own[2 * i] : infinity();
        __syncthreads();
        // A bitonic sort.
        for (int size = 2; size <= padded; size *= 2) {
            for (int apart = size / 2; apart > 0; apart /= 2) {
                for (int i = threadIdx.x; i < padded; i += blockDim.x) {
                    const int other = i ^ apart;
                    if (other <= i) continue;
                    const float a = value[i], b = value[other];
                    if ((a > b) == ((i & size) == 0)) {
                        value[i] = b;
                        value[other] = a;
                    }
                }
                __syncthreads();
            }
        }
        if (threadIdx.x == 0) {
            out[job * 4 + blockIdx.y] = value[cut];
            out[job * 4 + 2 + blockIdx.y] = value[n - 1 - cut];
        }
        __syncthreads();
    }
}

// Share of the points (J, n, 2) within a radius of the origin: (J,). Blocks: any.
extern "C" __global__ void share_within(const float* points, WHERE, int n, float radius, float* out) {
    const Where where = THIS_WHERE;
    for (int job = blockIdx.x; job < where.count; job += gridDim.x) {
        if (!where.holds(job)) continue;
        if (threadIdx.x == 0) word_at(0) = 0;
        __syncthreads();
        const float* own = points + (int64)job * n * 2;
        uint32 inside = 0;
        for (int i = threadIdx.x; i < n; i += blockDim.x) {
            const float x = own[2 * i], y = own[2 * i + 1];
            inside += x * x + y * y <= radius * radius;
        }
        atomicAdd(&word_at(0), inside);
        __syncthreads();
        if (threadIdx.x == 0) out[job] = (float)word_at(0) / (float)n;
    }
}

constexpr int GRID = 32;

// Count points in the cells of a view; returns nothing, adds those in it to `seen`.
DEVICE void count_cells(const float* points, int n, const float* box, uint32* cells, uint32* seen) {
    const float scale_x = (float)GRID / (box[2] - box[0]), scale_y = (float)GRID / (box[3] - box[1]);
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        const float u = (points[2 * i] - box[0]) * scale_x, v = (points[2 * i + 1] - box[1]) * scale_y;
        if (u >= 0.0f && v >= 0.0f && u < (float)GRID && v < (float)GRID) {
            atomicAdd(cells + (int)v * GRID + (int)u, 1u);
            atomicAdd(seen, 1u);
        }
    }
}

// How points (B, F, n, 2) of a clip at one time fill and move over its view.
DEVICE void fill_grid(const float* points, const float* box, int n, float share, int64 place, bool first, float* dense,
                      float* occupied, float* moved) {
    constexpr int CELLS = GRID * GRID;
    uint32 *const cells = &word_at(0), *const before = cells + CELLS, *const tally = before + CELLS;
    uint32* const totals = tally + n + 1;  // seen, seen before, change
    for (uint32* word = cells + threadIdx.x; word < totals + 3; word += blockDim.x) *word = 0;
    __syncthreads();
    count_cells(points + place * n * 2, n, box, cells, totals);
    if (!first) count_cells(points + (place - 1) * n * 2, n, box, before, totals + 1);
    __syncthreads();
    for (int i = threadIdx.x; i < CELLS; i += blockDim.x) {
        atomicAdd(tally + cells[i], 1u);
        const uint32 change = cells[i] > before[i] ? cells[i] - before[i] : before[i] - cells[i];
        if (change) atomicAdd(totals + 2, change);
    }
    __syncthreads();
    if (threadIdx.x > 0) return;
    const uint32 seen = totals[0], earlier = totals[1];
    const uint32 change = totals[2] + (seen > earlier ? seen - earlier : earlier - seen);
    uint32 below = 0;
    int level = 0;
    while (level < n && (float)(below + tally[level] * level) < share * (float)seen) {
        below += tally[level] * level;
        ++level;
    }
    dense[place] = (float)(level > 1 ? level : 1) * (float)CELLS / (float)n;
    occupied[place] = (float)(CELLS - tally[0]) / (float)CELLS;
    moved[place] = first ? 0.0f : (float)change / (float)(2 * n);
}

// The same for points (B, F, n, 2) and views (B, 4): dense, occupied, moved (B, F). Blocks: (any, F); a job is a clip.
extern "C" __global__ void on_grid(const float* points, WHERE, const float* box, int n, float share, float* dense,
                                   float* occupied, float* moved) {
    const Where where = THIS_WHERE;
    for (int clip = blockIdx.x; clip < where.count; clip += gridDim.x) {
        if (!where.holds(clip)) continue;
        const int64 place = (int64)clip * gridDim.y + blockIdx.y;
        fill_grid(points, box + clip * 4, n, share, place, blockIdx.y == 0, dense, occupied, moved);
        __syncthreads();
    }
}
