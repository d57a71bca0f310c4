// Statistics of orbit points, as `kernels.points` finds them on the CPU, to the bit.
#include "histogram.cuh"

// The box of points (J, n, 2) that leaves `cut` of them out on each side: (J, 4). Blocks: (jobs, axes); `padded`, a power
// of two from n up, words of shared memory.
extern "C" __global__ void extent(const float* points, int n, int padded, int cut, float* out) {
    float* const value = &float_at(0);
    const float* own = points + (int64)blockIdx.x * n * 2 + blockIdx.y;
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
    if (threadIdx.x > 0) return;
    out[blockIdx.x * 4 + blockIdx.y] = value[cut];
    out[blockIdx.x * 4 + 2 + blockIdx.y] = value[n - 1 - cut];
}

// Share of the points (J, n, 2) within a radius of the origin: (J,). Blocks: jobs.
extern "C" __global__ void share_within(const float* points, int n, float radius, float* out) {
    if (threadIdx.x == 0) word_at(0) = 0;
    __syncthreads();
    const float* own = points + (int64)blockIdx.x * n * 2;
    uint32 inside = 0;
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        const float x = own[2 * i], y = own[2 * i + 1];
        inside += x * x + y * y <= radius * radius;
    }
    atomicAdd(&word_at(0), inside);
    __syncthreads();
    if (threadIdx.x == 0) out[blockIdx.x] = (float)word_at(0) / (float)n;
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

// How points (B, F, n, 2) fill and move over views (B, 4): dense, occupied, moved (B, F). Blocks: (B, F).
extern "C" __global__ void on_grid(const float* points, const float* box, int n, float share, float* dense,
                                   float* occupied, float* moved) {
    constexpr int CELLS = GRID * GRID;
    uint32 *const cells = &word_at(0), *const before = cells + CELLS, *const tally = before + CELLS;
    uint32* const totals = tally + n + 1;  // seen, seen before, change
    const int time = blockIdx.y;
    for (uint32* word = cells + threadIdx.x; word < totals + 3; word += blockDim.x) *word = 0;
    __syncthreads();
    const int64 job = (int64)blockIdx.x * gridDim.y + time;
    count_cells(points + job * n * 2, n, box + blockIdx.x * 4, cells, totals);
    if (time > 0) count_cells(points + (job - 1) * n * 2, n, box + blockIdx.x * 4, before, totals + 1);
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
    dense[job] = (float)(level > 1 ? level : 1) * (float)CELLS / (float)n;
    occupied[job] = (float)(CELLS - tally[0]) / (float)CELLS;
    moved[job] = time == 0 ? 0.0f : (float)change / (float)(2 * n);
}
