// Random words as arrays, see `kernels.random.philox4x32`. Blocks and threads: any.
#include "random.cuh"

extern "C" __global__ void philox4x32(const uint32* key, const uint32* counter, int count, uint32* out) {
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) {
        const uint32 *k = key + 2 * i, *c = counter + 4 * i;
        const Words words = philox(k[0], k[1], c[0], c[1], c[2], c[3]);
        for (int w = 0; w < 4; ++w) out[4 * i + w] = words.word[w];
    }
}
