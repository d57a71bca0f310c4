// Random words as arrays: those of counters (block, what | attempt, a, b), see `fractalvid.draws.words`.
#include "random.cuh"

// Four words for each of `blocks` counters a row: out (rows, blocks, 4); `attempt` may be null. Blocks and threads: any.
extern "C" __global__ void words(const uint32* key, uint32 what, const int64* attempt, const int64* a, const int64* b,
                                 int rows, int blocks, uint32* out) {
    const int64 count = (int64)rows * blocks;
    for (int64 i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) {
        const int row = (int)(i / blocks);
        const uint32 second = what | (attempt == nullptr ? 0u : (uint32)attempt[row]);
        const Words drawn = philox(key[0], key[1], (uint32)(i % blocks), second, (uint32)a[row], (uint32)b[row]);
        for (int w = 0; w < 4; ++w) out[4 * i + w] = drawn.word[w];
    }
}
